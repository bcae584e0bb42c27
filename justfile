# Everything CI does, a person can do: `just --list`.

# Watch itself: the whole chain on one machine.
run *arguments:
    cargo run --profile fast --bin parapet -- run {{arguments}}

# All tests, the emulator's included.
test:
    ./tests/all

# Formatting, lints, dependency rules, template checks.
lint: fmt clippy deny template

fmt:
    cargo fmt --all --check

clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

deny:
    ./tests/tools/with-tools cargo deny --log-level error check bans licenses sources

template:
    ./tests/tools/with-tools sam validate --lint --template template.yaml
    ./tests/tools/with-tools cfn-lint template.yaml

# Benchmarks: see docs/benchmarks.md.
bench *arguments:
    cargo run --profile fast -p parapet-benches -- {{arguments}}
