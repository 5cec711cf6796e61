"""Fines, their journal, batches and deliveries, files of payments, and the circulation desk."""
