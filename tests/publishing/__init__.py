"""What readers find, whatever happens while it is published."""
