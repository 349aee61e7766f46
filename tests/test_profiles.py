"""The targets of profiles.yml for Spark have the same settings of statements."""

from pathlib import Path

import yaml

OUTPUTS = yaml.safe_load((Path(__file__).parents[1] / "profiles.yml").read_text())["fal_focus"]["outputs"]


def test_a_thrift_server_gets_the_settings_of_spark_with_the_prefix_that_it_needs() -> None:
    settings = OUTPUTS["thrift"]["server_side_parameters"]
    # dbt-spark sets this one for a session, without the prefix
    assert settings.pop("set:spark.sql.ansi.enabled") == "false"
    statements = {
        f"set:{name}": value
        for name, value in OUTPUTS["spark"]["server_side_parameters"].items()
        if name.startswith("spark.sql.") and name != "spark.sql.warehouse.dir"
    }
    assert settings == statements
