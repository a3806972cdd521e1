"""What the command line can do, free of printing, environment and exit codes."""
