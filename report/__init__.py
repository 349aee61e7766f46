"""The digest: what a publication answers every morning, on one page.

digest.py reads the publication, page.py selects the lines, and formats.py prints them.
"""
