//! What a person sees when the process is ready.

use crate::cli::RunOptions;
use std::io::IsTerminal as _;

/// Prints where to look, to standard error. On anything but a terminal it is one log line less to skip, so it is
/// printed for the demonstration only.
#[allow(clippy::print_stderr)]
pub(crate) fn print(options: &RunOptions, is_demo: bool) {
    if !is_demo && !std::io::stderr().is_terminal() {
        return;
    }
    let (address, storage) = (options.listen_address, options.storage_path.display());
    let doing = if is_demo {
        "No --config.file: this process scrapes itself every 5 s, evaluates a demonstration alert\nand delivers it to its own webhook, within half a minute."
    } else {
        "Scraping, storing, evaluating rules and notifying as configured."
    };
    eprintln!(
        "
{doing}

  look     http://{address}/ (queries, alerts, targets)
  query    curl -s 'http://{address}/api/v1/query?query=up'
  targets  curl -s 'http://{address}/api/v1/targets'
  alerts   curl -s 'http://{address}/api/v1/alerts'
  Grafana  a Prometheus data source with the URL http://{address}
  data     {storage}/objects/metrics/ (Parquet)

Ctrl-C stops.
"
    );
}
