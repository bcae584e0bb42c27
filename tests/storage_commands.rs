//! `parapet import`, `parapet export` and `parapet sql` as they are called: what goes in comes out, twice is once, faults
//! have places, and only live files are read. That DuckDB answers rightly is asked in `tests/sql`.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs parapet in a directory; gives its outcome, standard output and standard error.
fn parapet(directory: &Path, arguments: &[&str], input: &str) -> (bool, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_parapet"))
        .args(arguments)
        .current_dir(directory)
        .env_remove("PARAPET_TENANT")
        .env_remove("PARAPET_DUCKDB")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Where the arguments are wrong nobody reads the input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn ok(directory: &Path, arguments: &[&str], input: &str) -> String {
    let (success, stdout, stderr) = parapet(directory, arguments, input);
    assert!(success, "{arguments:?}: {stderr}");
    stdout
}

/// A day's end and another's begin, a counter with exemplars, a histogram, names beyond ASCII.
const TEXT: &str = r#"# TYPE latency histogram
latency_bucket{le="+Inf"} 4 1767571200
latency_bucket{le="0.5"} 3 1767571200
latency_count 4 1767571200
latency_sum 2.25 1767571200
# TYPE requests counter
requests_total{job="api",path="/\"x\"\\\n"} 1 1767571185.015 # {trace_id="abc"} 0.5 1767571185
requests_total{job="api",path="/\"x\"\\\n"} 1e300 1767571200.015
requests_total{job="db"} NaN 1767571199.999
requests_total{job="db"} -Inf 1767571200
{"température","zone.id"="é"} -0 1767571200
{"température","zone.id"="é"} 5e-324 1767571201
# EOF
"#;

#[test]
fn text_and_blocks_round_trip() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let done = ok(directory, &["import", "-", "--storage.path", "a"], TEXT);
    assert!(done.starts_with("imported 10 samples of 7 series"), "{done}");
    let again = ok(directory, &["import", "-", "--storage.path", "a"], TEXT);
    assert!(
        again.starts_with("imported 0 samples") && again.contains("10 samples were imported before"),
        "{again}"
    );
    assert_eq!(ok(directory, &["export", "--storage.path", "a"], ""), TEXT);

    ok(
        directory,
        &["export", "--storage.path", "a", "-o", "blocks", "--to", "blocks"],
        "",
    );
    let done = ok(directory, &["import", "blocks", "--storage.path", "b"], "");
    assert!(done.starts_with("imported 10 samples of 7 series"), "{done}");
    // Blocks have neither types nor exemplars.
    let samples = |line: &&str| !line.starts_with('#');
    let bare: Vec<&str> = TEXT
        .lines()
        .filter(samples)
        .map(|line| line.split(" # ").next().unwrap())
        .collect();
    let exported = ok(directory, &["export", "--storage.path", "b"], "");
    assert_eq!(exported.lines().filter(samples).collect::<Vec<_>>(), bare);
    // The same samples are the same blocks.
    ok(
        directory,
        &["export", "--storage.path", "b", "-o", "blocks", "--to", "blocks-again"],
        "",
    );
    let names = |path: &str| {
        let mut names: Vec<_> = std::fs::read_dir(directory.join(path))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("blocks"), names("blocks-again"));
}

#[test]
fn what_is_asked_for_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    ok(
        directory,
        &[
            "import",
            "-",
            "--storage.path",
            "a",
            "--start",
            "1767571200",
            "--tenant",
            "team",
        ],
        TEXT,
    );
    let export = |arguments: &[&str]| {
        let all = [&["export", "--storage.path", "a"], arguments].concat();
        ok(directory, &all, "")
    };
    assert_eq!(
        export(&[
            "--tenant",
            "team",
            "-o",
            "csv",
            "--match",
            "requests_total{job=\"db\"}",
            "--match",
            "{job=\"db\"}"
        ]),
        "metric,labels,time,value\nrequests_total,\"{\"\"job\"\":\"\"db\"\"}\",2026-01-05T00:00:00.000Z,-Inf\n"
    );
    assert_eq!(
        export(&[
            "--tenant",
            "team",
            "-o",
            "json",
            "--end",
            "1767571200",
            "--match",
            "latency_sum"
        ]),
        "{\"metric\":{\"__name__\":\"latency_sum\"},\"values\":[[1767571200,\"2.25\"]]}\n"
    );
    let (success, _, stderr) = parapet(directory, &["export", "--storage.path", "a"], "");
    assert!(
        !success && stderr.contains("has no samples of the tenant default"),
        "{stderr}"
    );
    // Milliseconds, as the text format has them; many small batches.
    std::fs::write(
        directory.join("old.prom"),
        (0..2500)
            .map(|n| format!("a{{n=\"{}\"}} {n} {}\n", n % 7, 1_767_571_200_000i64 + n))
            .collect::<String>(),
    )
    .unwrap();
    let done = ok(
        directory,
        &["import", "old.prom", "--storage.path", "c", "--batch-samples", "1000"],
        "",
    );
    assert!(
        done.starts_with("imported 2500 samples of 7 series into 3 files"),
        "{done}"
    );
}

#[test]
fn faults_have_their_place() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let fault = |arguments: &[&str], input: &str, want: &str| {
        let (success, _, stderr) = parapet(directory, arguments, input);
        assert!(!success && stderr.contains(want), "{arguments:?}: {stderr}");
    };
    let text = ["import", "-", "--storage.path", "a"];
    fault(
        &text,
        "# TYPE a counter\na_total 1\n# EOF\n",
        "standard input: line 2: a_total has no timestamp; write one after the value, in seconds",
    );
    fault(
        &text,
        "a 1 5\na{b=\"c\",b=\"d\"} 1 6\n# EOF\n",
        "line 2: the label \"b\" stands twice",
    );
    fault(&text, "a 1 5\n", "data does not end with # EOF");
    fault(&["import", "missing", "--storage.path", "a"], "", "cannot read missing");
    fault(&["import", ".", "--storage.path", "b"], "", "there are no blocks");
    fault(
        &["export", "--storage.path", "missing"],
        "",
        "there is no data in missing",
    );
    fault(&["export", "--storage.path", ".", "-o", "blocks"], "", "--to <PATH>");
    fault(
        &["export", "--storage.path", "a", "--match", "up{"],
        "",
        "--match \"up{\"",
    );
    fault(
        &["import", "-", "--storage.path", "a", "--tenant", "a/b"],
        "",
        "--tenant: invalid tenant",
    );
    let block = directory.join("01KB3N8R4T0000000000000000");
    std::fs::create_dir_all(&block).unwrap();
    std::fs::write(
        block.join("meta.json"),
        r#"{"ulid":"x","minTime":1767571200000,"maxTime":1767571300000,"compaction":{"level":1},"version":1}"#,
    )
    .unwrap();
    std::fs::write(block.join("index"), [0; 80]).unwrap();
    fault(
        &["import", ".", "--storage.path", "d"],
        "",
        "000: index: is no index: its first bytes are others",
    );
}

/// A program that says that it is DuckDB, and shows what it is asked.
fn echo(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let program = directory.join("echo");
    std::fs::write(&program, "#!/bin/sh\n[ \"$1\" = -version ] || { echo \"$@\"; cat; }\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn sql_reads_live_files_of_the_days_that_are_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    echo(directory);
    ok(directory, &["import", "-", "--storage.path", "a"], TEXT);
    // Merged: what was replaced is still in the folder.
    ok(
        directory,
        &["import", "-", "--storage.path", "a"],
        "b 1 1767571190\nb 1 1767571200\n# EOF\n",
    );
    ok(
        directory,
        &["import", "-", "--storage.path", "a"],
        "b 1 1767571191\nb 1 1767571201\n# EOF\n",
    );
    let folder = |day: &str| {
        let path = directory.join(format!("a/objects/metrics/tenant=default/dt={day}"));
        std::fs::read_dir(path).unwrap().count()
    };
    assert!(folder("2026-01-04") > 1 && folder("2026-01-05") > 1);
    let asked = |arguments: &[&str]| {
        let all = [
            &["sql", "SELECT 'it'", "--storage.path", "a", "--duckdb", "./echo"],
            arguments,
        ]
        .concat();
        ok(directory, &all, "")
    };
    let files = |text: &str, day: &str| text.matches(&format!("dt={day}/")).count();
    let both = asked(&[]);
    assert!(
        both.starts_with("-no-init -batch -bail -box\n") && both.ends_with("\n.output\nSELECT 'it'\n;\n"),
        "{both}"
    );
    assert!(
        files(&both, "2026-01-04") < folder("2026-01-04") && files(&both, "2026-01-05") < folder("2026-01-05"),
        "{both}"
    );
    let late = asked(&["--start", "2026-01-05T00:00:00Z", "-o", "csv"]);
    assert!(
        late.starts_with("-no-init -batch -bail -csv\n") && files(&late, "2026-01-04") == 0,
        "{late}"
    );
    assert!(
        files(&late, "2026-01-05") > 0 && late.contains("epoch_ms(ts) >= 1767571200000"),
        "{late}"
    );
    let none = asked(&["--tenant", "other"]);
    assert!(none.contains("CREATE TABLE metric_files (metric VARCHAR"), "{none}");
}

#[test]
fn sql_says_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    echo(directory);
    let fault = |arguments: &[&str], input: &str, want: &str| {
        let (success, _, stderr) = parapet(directory, &[&["sql"], arguments].concat(), input);
        assert!(!success && stderr.contains(want), "{arguments:?}: {stderr}");
    };
    fault(
        &["SELECT 1", "--duckdb", "./missing"],
        "",
        "--duckdb ./missing: is no DuckDB",
    );
    fault(
        &["SELECT 1", "--duckdb", "./echo", "--storage.path", "missing"],
        "",
        "there is no data in missing",
    );
    fault(&["--duckdb", "./echo"], " \n", "there is no SQL");
    fault(
        &[
            "SELECT 1",
            "--duckdb",
            "./echo",
            "--storage.path",
            ".",
            "--tenant",
            "a'b",
        ],
        "",
        "--tenant: invalid tenant",
    );
    let output = Command::new(env!("CARGO_BIN_EXE_parapet"))
        .args(["sql", "SELECT 1"])
        .env("PATH", directory)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && stderr.contains("install its program duckdb"),
        "{stderr}"
    );
}
