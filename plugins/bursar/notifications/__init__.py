"""Notifications: mails and chat messages about runs, alerts and approvals."""
