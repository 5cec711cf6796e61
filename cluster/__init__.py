"""`make cluster-test`: the services of docker-compose.yaml as native processes, some of which are killed."""
