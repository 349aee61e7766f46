"""The peer that `benchmarks.load` compares with the loader: dlt's rest_api source, which writes Parquet.

PYTHON-WITH-DLT benchmarks/load_dlt.py URL START END FOLDER

The options are the fastest of its documentation: the paginator for cursors, declared types, no tables for
nested lists, a buffer of one page, and no compression of intermediate files. More workers took more CPU and
the same time. It does not import this project, which is not installed in its Python.
"""

import os
import sys

os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "10000",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
}

import dlt
from dlt.sources.rest_api import rest_api_source

# the cheapest types for dlt; the loader does not convert numbers to doubles, since they are money
TYPES = {
    "request_id": "text",
    "endpoint_id": "text",
    "timestamp": "text",
    "output_units": "double",
    "unit_price": "double",
    "percent_discount": "double",
    "cost_estimate_nano_usd": "bigint",
    "cost_subtotal": "double",
    "cost_discount": "double",
    "cost_total": "double",
    "auth_method": "text",
}


def main() -> int:
    """Load a window of billing events, and print the number of rows."""
    url, start, end, folder = sys.argv[1:]
    source = rest_api_source(
        {
            "client": {
                "base_url": url,
                "headers": {"Authorization": "Key benchmark"},
                "paginator": {"type": "cursor", "cursor_path": "next_cursor", "cursor_param": "cursor"},
            },
            "resources": [
                {
                    "name": "billing_events",
                    "columns": {name: {"data_type": type_} for name, type_ in TYPES.items()},
                    "max_table_nesting": 0,
                    "endpoint": {
                        "path": "models/billing-events",
                        "params": {"start": start, "end": end, "limit": 10_000, "expand": "auth_method"},
                        "data_selector": "billing_events",
                    },
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        "billing_events",
        pipelines_dir=f"{folder}/pipelines",
        destination=dlt.destinations.filesystem(f"{folder}/landed"),
    )
    pipeline.run(source, loader_file_format="parquet")
    print(pipeline.last_trace.last_normalize_info.row_counts["billing_events"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
