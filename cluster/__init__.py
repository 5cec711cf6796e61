"""`make cluster-test`: the services of docker-compose.yaml as native processes, which are killed while they work."""
