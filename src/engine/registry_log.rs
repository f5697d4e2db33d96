//! What a registry's access log tells of the blobs that went in and out. "distribution", which is what `registry:2` and the
//! distributions' packages hold, writes one line for each finished request, in the combined log format. Not for: sizes, which
//! no line of an upload holds (the manifest has them).

use percent_encoding::percent_decode_str;

/// What came and went between two marks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// The digests of the blobs that were sent to it, in the order in which the uploads ended; one that was sent twice is
    /// there twice.
    pub uploaded: Vec<String>,
    /// The digests of those that it took from another of its repositories.
    pub mounted: Vec<String>,
    /// The digests of those that it was asked for, with the bytes that it sent of them.
    pub pulled: Vec<(String, u64)>,
}

/// The path that leaves a mark in the log. The registry answers it as it answers any client's first question.
#[must_use]
pub fn mark_path(mark: &str) -> String {
    format!("/v2/?bakeoff={mark}")
}

/// Whether a mark is in the log.
#[must_use]
pub fn holds(log: &str, mark: &str) -> bool {
    requests(log).any(|request| request.is_mark(mark))
}

/// What happened between two marks; `None` if the log does not hold both.
#[must_use]
pub fn between(log: &str, from: &str, to: &str) -> Option<Seen> {
    let mut all = requests(log);
    all.find(|request| request.is_mark(from))?;
    let mut seen = Seen::default();
    for request in all {
        if request.is_mark(to) {
            return Some(seen);
        }
        seen.note(&request);
    }
    None
}

impl Seen {
    /// OCI distribution specification, "pushing blobs" and "pulling blobs": 201 ends an upload or says that a blob was mounted,
    /// where 202 would begin an upload instead.
    fn note(&mut self, request: &Request) {
        let Some((_, blob)) = request.path.rsplit_once("/blobs/") else {
            return;
        };
        let is_upload = blob.starts_with("uploads/");
        match (request.method, request.status) {
            ("PUT" | "POST", 201) if is_upload => {
                if let Some(digest) = request.query("digest") {
                    self.uploaded.push(digest);
                } else if let Some(digest) = request.query("mount") {
                    self.mounted.push(digest);
                }
            }
            ("GET", 200 | 206) if !is_upload => self.pulled.push((blob.to_owned(), request.bytes)),
            _ => {}
        }
    }
}

/// A request, as its line tells it.
struct Request<'l> {
    method: &'l str,
    path: &'l str,
    query: &'l str,
    status: u16,
    /// Of the answer's body.
    bytes: u64,
}

impl<'l> Request<'l> {
    /// `172.17.0.1 - - [21/Nov/2026:21:22:56 +0000] "PUT /v2/… HTTP/1.1" 201 0 "" "docker/20.10"`; other lines of the log
    /// have no request in quotes.
    fn read(line: &'l str) -> Option<Self> {
        let (_, rest) = line.split_once("] \"")?;
        let (asked, rest) = rest.split_once("\" ")?;
        let mut asked = asked.split(' ');
        let (method, target) = (asked.next()?, asked.next()?);
        asked.next().filter(|version| version.starts_with("HTTP/"))?;
        let mut answer = rest.split(' ');
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Some(Self {
            method,
            path,
            query,
            status: answer.next()?.parse().ok()?,
            bytes: answer.next()?.parse().ok()?,
        })
    }

    fn query(&self, name: &str) -> Option<String> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| *key == name)?;
        Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
    }

    fn is_mark(&self, mark: &str) -> bool {
        self.path == "/v2/" && self.query("bakeoff").as_deref() == Some(mark)
    }
}

fn requests(log: &str) -> impl Iterator<Item = Request<'_>> {
    log.lines().filter_map(Request::read)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a registry 2.8 and a docker engine 20.10: a push of two blobs, a hot push of one, a push into another
    /// repository, and a pull of a configuration.
    const LOG: &str = r#"
time="2026-11-21T21:22:55Z" level=info msg="listening on [::]:5000" go.version=go1.24.4
172.17.0.1 - - [21/Nov/2026:21:22:56 +0000] "GET /v2/?bakeoff=1 HTTP/1.1" 200 2 "" "curl/7.88.1"
172.17.0.1 - - [21/Nov/2026:21:22:56 +0000] "POST /v2/x/y/blobs/uploads/ HTTP/1.1" 202 0 "" "docker/20.10 go/go1.19"
172.17.0.1 - - [21/Nov/2026:21:22:56 +0000] "PATCH /v2/x/y/blobs/uploads/0329?_state=Uk HTTP/1.1" 202 0 "" "docker/20.10"
172.17.0.1 - - [21/Nov/2026:21:22:56 +0000] "PUT /v2/x/y/blobs/uploads/0329?_state=zz%3D&digest=sha256%3Aaa HTTP/1.1" 201 0 "" "d"
time="2026-11-21T21:22:56Z" level=info msg="response completed" http.request.method=PUT http.request.uri="/v2/x" http.response.status=201
172.17.0.1 - - [21/Nov/2026:21:22:56 +0000] "HEAD /v2/x/y/blobs/sha256:aa HTTP/1.1" 200 0 "" "docker/20.10"
172.17.0.1 - - [21/Nov/2026:21:22:58 +0000] "HEAD /v2/x/y/blobs/sha256:cc HTTP/1.1" 404 157 "" "docker/20.10"
172.17.0.1 - - [21/Nov/2026:21:22:58 +0000] "PUT /v2/x/y/blobs/uploads/4062?digest=sha256%3Acc&_state=u HTTP/1.1" 201 0 "" "d"
172.17.0.1 - - [21/Nov/2026:21:22:58 +0000] "PUT /v2/x/y/manifests/cold HTTP/1.1" 201 0 "" "docker/20.10"
172.17.0.1 - - [21/Nov/2026:21:22:58 +0000] "GET /v2/?bakeoff=2 HTTP/1.1" 200 2 "" "curl/7.88.1"
172.17.0.1 - - [21/Nov/2026:21:22:59 +0000] "POST /v2/z/blobs/uploads/?from=x%2Fy&mount=sha256%3Aaa HTTP/1.1" 201 0 "" "d"
172.17.0.1 - - [21/Nov/2026:21:22:59 +0000] "POST /v2/z/blobs/uploads/?from=x%2Fy&mount=sha256%3Abb HTTP/1.1" 202 0 "" "d"
172.17.0.1 - - [21/Nov/2026:21:22:59 +0000] "PUT /v2/z/blobs/uploads/77?digest=sha256%3Abb HTTP/1.1" 400 100 "" "d"
172.17.0.1 - - [21/Nov/2026:21:22:59 +0000] "GET /v2/?bakeoff=3 HTTP/1.1" 200 2 "" "curl/7.88.1"
172.17.0.1 - - [21/Nov/2026:21:22:59 +0000] "GET /v2/x/y/manifests/cold HTTP/1.1" 200 945 "" "docker/20.10"
172.17.0.1 - - [21/Nov/2026:21:22:59 +0000] "GET /v2/x/y/blobs/sha256:cc HTTP/1.1" 200 800 "" "docker/20.10"
172.17.0.1 - - [21/Nov/2026:21:22:59 +0000] "GET /v2/x/y/blobs/sha256:aa HTTP/1.1" 206 50 "" "docker/20.10"
172.17.0.1 - - [21/Nov/2026:21:23:00 +0000] "GET /v2/?bakeoff=4 HTTP/1.1" 200 2 "" "curl/7.88.1"
"#;

    fn seen(from: &str, to: &str) -> Seen {
        between(LOG, from, to).expect("both marks")
    }

    #[test]
    fn what_a_push_sent_stands_between_its_marks() {
        let push = seen("1", "2");
        assert_eq!(push.uploaded, ["sha256:aa", "sha256:cc"]);
        // That the engine asks for what it has just sent means nothing.
        assert!(push.mounted.is_empty() && push.pulled.is_empty());
    }

    #[test]
    fn only_what_was_mounted_counts_as_mounted_and_only_ended_uploads_as_sent() {
        let push = seen("2", "3");
        assert_eq!((push.mounted, push.uploaded), (vec!["sha256:aa".to_owned()], vec![]));
    }

    #[test]
    fn a_pull_is_counted_by_what_was_sent() {
        let pulled = [("sha256:cc".to_owned(), 800), ("sha256:aa".to_owned(), 50)];
        assert_eq!(seen("3", "4").pulled, pulled);
    }

    #[test]
    fn a_log_without_a_mark_tells_nothing() {
        assert_eq!(between(LOG, "1", "9"), None);
        assert_eq!(between(LOG, "0", "4"), None);
        assert!(holds(LOG, "4") && !holds(LOG, "40"));
        // Marks in the wrong order.
        assert_eq!(between(LOG, "3", "1"), None);
    }
}
