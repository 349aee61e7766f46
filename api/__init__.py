"""The FOCUS Cost and Usage API of the published marts."""

import os

# DuckDB's allocator, jemalloc, keeps freed pages in memory for two seconds by default: a second as "dirty"
# pages and one as "muzzy" pages. Without the latter, a busy server holds 100 MB less. DuckDB has no setting
# for it, and reads this variable when it is imported.
os.environ.setdefault("DUCKDB_JE_MALLOC_CONF", "muzzy_decay_ms:0")
