//! Containers' log files: what their paths and their lines tell.

use super::event::Event;
use crate::parse::json;
use crate::time::parse_rfc3339_ns;
use std::borrow::Cow;

/// Sets `k8s.*` fields, and the service where none is known, from the path of a kubelet's log file:
/// `/var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log` or `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log`.
pub(super) fn fields_of_path(event: &mut Event<'_>) {
    let path = event.origin.path;
    let Some(found) = pods(path).or_else(|| containers(path)) else {
        return;
    };
    let [namespace, pod, container, uid] = found;
    for (name, value) in [
        ("k8s.namespace.name", namespace),
        ("k8s.pod.name", pod),
        ("k8s.container.name", container),
        ("k8s.pod.uid", uid),
    ] {
        if !value.is_empty() {
            event.fields.set(name, Cow::Borrowed(value));
        }
    }
    if event.service.is_empty() {
        event.service = Cow::Borrowed(container);
    }
}

fn pods(path: &str) -> Option<[&str; 4]> {
    let mut parts = path.split("/pods/").nth(1)?.split('/');
    let mut pod = parts.next()?.splitn(3, '_');
    let container = parts.next()?;
    Some([pod.next()?, pod.next()?, container, pod.next().unwrap_or_default()])
}

fn containers(path: &str) -> Option<[&str; 4]> {
    let file = path.split("/containers/").nth(1)?.strip_suffix(".log")?;
    let mut parts = file.splitn(3, '_');
    let (pod, namespace) = (parts.next()?, parts.next()?);
    let (container, _id) = parts.next()?.rsplit_once('-')?;
    Some([namespace, pod, container, ""])
}

/// Reads a line as a container runtime writes it: `TIME stdout F text` (CRI), or Docker's `{"log":"text\n",…}`.
pub(super) fn container_line(event: &mut Event<'_>) -> bool {
    if event.line.starts_with('{') {
        return docker_line(event);
    }
    let mut parts = event.line.splitn(4, ' ');
    let (Some(time), Some(stream), Some(flags)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let Some(time) = parse_rfc3339_ns(time) else {
        return false;
    };
    if !matches!(stream, "stdout" | "stderr") {
        return false;
    }
    event.timestamp_ns = time;
    event.fields.set("stream", Cow::Borrowed(stream));
    if flags.starts_with('P') {
        event.fields.set("partial", Cow::Borrowed("true"));
    }
    event.message = Some(Cow::Borrowed(parts.next().unwrap_or_default()));
    true
}

fn docker_line(event: &mut Event<'_>) -> bool {
    let (mut log, mut stream, mut time) = (None, None, None);
    let read = json::members(event.line, &mut |name, value| match &*name {
        "log" => log = Some(value.into_text()),
        "stream" => stream = Some(value.into_text()),
        "time" => time = parse_rfc3339_ns(&value.into_text()),
        _ => {}
    });
    let (Ok(()), Some(log), Some(time)) = (read, log, time) else {
        return false;
    };
    event.timestamp_ns = time;
    if let Some(stream) = stream {
        event.fields.set("stream", stream);
    }
    event.message = Some(match log {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches('\n')),
        Cow::Owned(text) => Cow::Owned(text.trim_end_matches('\n').to_owned()),
    });
    true
}
