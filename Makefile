# One line for each thing that CI does; the steps themselves stand in .ci/run.
.PHONY: help lint types test docs notebook campaign slurm ci format constraints

help:            ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/'
lint:            ## ruff check and format
	.ci/run lint
types:           ## mypy over the package and methods/
	.ci/run types
test:            ## the README's test command
	uv run pytest
docs:            ## the documentation site, strictly, into site/
	.ci/run docs
notebook:        ## run the example notebook
	.ci/run notebook
campaign:        ## random kills and malformed inputs
	.ci/run campaign
slurm:           ## the tests on a real one-node Slurm (Debian or Ubuntu, as root)
	.ci/run slurm
ci:              ## everything, as CI runs it
	.ci/run
format:          ## write the code the way the checks want it
	uv run ruff check --fix . && uv run ruff format .
constraints:     ## renew constraints.txt, the versions that CI tests against
	uv export --quiet --no-hashes --no-annotate --no-header --no-emit-project --all-groups --all-extras > constraints.txt
