"""The FOCUS Cost and Usage API of the published marts."""
