"""The mission folder, its services and jobs, and the command line."""
