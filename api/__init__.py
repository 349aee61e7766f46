"""The FOCUS Cost and Usage API: what is published, over HTTP."""
