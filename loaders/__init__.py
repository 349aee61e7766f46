"""Land what the fal.ai billing endpoints answer, byte for byte. The command line is `python -m loaders`."""
