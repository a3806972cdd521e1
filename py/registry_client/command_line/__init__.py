"""The commands. Only this package and ``__main__`` print and read the environment."""
