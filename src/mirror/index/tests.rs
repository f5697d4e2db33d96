//! Pages as indexes send them, well and badly meant.

use std::time::{Duration, Instant};

use super::*;

const JSON: &str = "application/vnd.pypi.simple.v1+json";
const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

fn base() -> Url {
    Url::parse("https://index.example/simple/Some_Project/").unwrap()
}

fn page(content_type: &str, body: &str) -> Page {
    Page::parse(content_type, body.as_bytes(), &base()).unwrap()
}

fn refusal(content_type: &str, body: &str) -> String {
    Page::parse(content_type, body.as_bytes(), &base())
        .unwrap_err()
        .to_string()
}

fn same(url: &str) -> String {
    url.to_owned()
}

fn urls(page: &Page) -> Vec<&str> {
    page.files().map(|file| file.url).collect()
}

fn a_json_page() -> String {
    json!({
        "meta": { "api-version": "1.2", "_last-serial": 7, "tracks": ["https://other.example/simple/p/"] },
        "name": "some-project",
        "versions": ["1.0"],
        "alternate-locations": ["https://a.example/simple/p/", "https://b.example/?a=1&b=2"],
        "files": [
            {
                "filename": "some_project-1.0-py3-none-any.whl",
                "url": "../../files/some_project-1.0-py3-none-any.whl",
                "hashes": { "sha256": HASH.to_uppercase(), "blake2b": "00" },
                "requires-python": ">=3.8,<4 \"really\"",
                "core-metadata": { "sha256": OTHER },
                "size": 12345,
                "yanked": "broken <script> & \"quoted\"",
                "gpg-sig": true,
                "upload-time": "2024-01-02T03:04:05Z"
            },
            {
                "filename": "some_project-1.0+cpu.tar.gz",
                "url": "https://files.example/some_project-1.0+cpu.tar.gz?a=1&amp=2",
                "hashes": {},
                "requires-python": null,
                "dist-info-metadata": true,
                "yanked": false
            }
        ]
    })
    .to_string()
}

#[test]
fn names_are_normalized() {
    assert_eq!(normalize("Some._-Project"), "some-project");
    assert_eq!(normalize("a"), "a");
    assert_eq!(normalize("-A-"), "-a-");
}

#[test]
fn absurd_names_are_none() {
    for name in ["numpy", "A", "ruamel.yaml", "zope.interface_x-1", &"x".repeat(200)] {
        assert!(is_project_name(name), "{name}");
    }
    for name in [
        "",
        ".",
        "..",
        "-a",
        "a-",
        "a/b",
        "a\\b",
        "a\0b",
        "a b",
        "a\nb",
        "ä",
        &"x".repeat(201),
    ] {
        assert!(!is_project_name(name), "{name:?}");
    }
    for name in ["a.whl", "a b.zip", "..a"] {
        assert!(is_file_name(name), "{name}");
    }
    for name in ["", ".", "..", "a/b", "..\\b", "a\u{7f}", &"x".repeat(256)] {
        assert!(!is_file_name(name), "{name:?}");
    }
}

#[test]
fn json_is_read() {
    let page = page(&format!("{JSON}; charset=UTF-8"), &a_json_page());
    let files: Vec<_> = page.files().collect();
    assert_eq!(
        files[0],
        File {
            filename: "some_project-1.0-py3-none-any.whl",
            url: "https://index.example/files/some_project-1.0-py3-none-any.whl",
            sha256: Some(HASH),
            has_metadata: true,
            metadata_sha256: Some(OTHER),
            size: Some(12345),
        }
    );
    assert_eq!(
        (files[1].sha256, files[1].has_metadata, files[1].metadata_sha256),
        (None, true, None)
    );
}

#[test]
fn unknown_fields_survive_and_metadata_has_its_new_name_only() {
    let page = page("application/json", &a_json_page());
    let written: Value =
        serde_json::from_slice(&page.to_json(|url| url.replace("https://", "http://mirror/"))).unwrap();
    assert_eq!(written["meta"]["_last-serial"], 7);
    assert_eq!(written["versions"][0], "1.0");
    assert_eq!(written["files"][0]["upload-time"], "2024-01-02T03:04:05Z");
    assert_eq!(written["files"][0]["hashes"]["blake2b"], "00");
    assert_eq!(
        written["files"][1]["url"],
        "http://mirror/files.example/some_project-1.0+cpu.tar.gz?a=1&amp=2"
    );
    assert_eq!(written["files"][1]["core-metadata"], true);
    assert_eq!(written["files"][1].get("dist-info-metadata"), None);
    assert_eq!(super::Page::parse(JSON, &page.to_json(same), &base()).unwrap(), page);
}

#[test]
fn html_and_json_say_the_same() {
    let from_json = page(JSON, &a_json_page());
    let html = String::from_utf8(from_json.to_html(same)).unwrap();
    assert!(!html.contains("<script>"), "{html}");
    assert_eq!(
        html.matches(&format!(r#"data-core-metadata="sha256={OTHER}""#)).count(),
        1
    );
    assert_eq!(
        html.matches(&format!(r#"data-dist-info-metadata="sha256={OTHER}""#))
            .count(),
        1
    );
    assert_eq!(html.matches("data-yanked").count(), 1);

    let from_html = page("text/html; charset=utf-8", &html);
    let without_sizes = from_json.files().map(|file| File { size: None, ..file });
    assert!(from_html.files().eq(without_sizes));
    let field = |page: &Page, name: &str| {
        page.files
            .iter()
            .map(|file| file.get(name).cloned())
            .collect::<Vec<_>>()
    };
    for name in ["gpg-sig", "core-metadata"] {
        assert_eq!(field(&from_html, name), field(&from_json, name));
    }
    assert_eq!(
        field(&from_html, "requires-python")[0],
        field(&from_json, "requires-python")[0]
    );
    assert_eq!(field(&from_html, "yanked")[0], field(&from_json, "yanked")[0]);
    assert_eq!(from_html.head["meta"]["tracks"], from_json.head["meta"]["tracks"]);
    assert_eq!(
        from_html.head["alternate-locations"],
        from_json.head["alternate-locations"]
    );
    assert_eq!(from_html.head["name"], "some-project");

    let again = Page::parse(JSON, &from_html.to_json(same), &base()).unwrap();
    assert_eq!(again, from_html);
}

#[test]
fn html_is_read_as_browsers_read_it() {
    let page = page(
        "TEXT/HTML",
        &format!(
            r#"<!DOCTYPE html><!-- <a href="/comment.whl">x</a> --><script>"<a href='/script.whl'>"</script>
            <A HREF='/a-1.whl#sha256={HASH}&amp;egg=a' data-requires-python="&gt;=3.8">a-1.whl</A>
            <a class=x data-dist-info-metadata=sha256={OTHER} href=b-1.whl data-yanked>b-1.whl</a
            ><a data-core-metadata="false" data-dist-info-metadata=true href="c%2B1-1%C3%A9.tar.gz?x=1&#38;y=2#md5=ab">
            <a href="https://files.example/get/">d-1.zip</a> <a name=nowhere>e</a>
            <a href="f.whl#sha256=short" data-requires-python="&lt;4&quot;"><b>f</b>"#
        ),
    );
    let files: Vec<_> = page
        .files()
        .map(|file| (file.filename, file.url, file.sha256, file.metadata_sha256))
        .collect();
    let folder = "https://index.example/simple/Some_Project";
    assert_eq!(
        files,
        [
            ("a-1.whl", "https://index.example/a-1.whl", Some(HASH), None),
            ("b-1.whl", &*format!("{folder}/b-1.whl"), None, Some(OTHER)),
            (
                "c+1-1é.tar.gz",
                &*format!("{folder}/c%2B1-1%C3%A9.tar.gz?x=1&y=2"),
                None,
                None
            ),
            ("d-1.zip", "https://files.example/get/", None, None),
            ("f.whl", &*format!("{folder}/f.whl"), None, None),
        ]
    );
    assert_eq!(page.files[0]["requires-python"], ">=3.8");
    assert_eq!(page.files[1]["yanked"], true);
    assert_eq!(page.files[2]["hashes"]["md5"], "ab");
    assert_eq!(page.files[4]["requires-python"], "<4\"");
}

#[test]
fn the_first_usable_base_counts_for_all_links() {
    let html =
        |base: &str| format!("<a href=x/a.whl>a</a><base href='{base}'><base href=/second/><a href=/b.whl>b</a>");
    let first = page("text/html", &html("//files.example/p/"));
    assert_eq!(
        urls(&first),
        ["https://files.example/p/x/a.whl", "https://files.example/b.whl"]
    );
    let second = page("text/html", &html("javascript:alert(1)"));
    assert_eq!(
        urls(&second),
        ["https://index.example/second/x/a.whl", "https://index.example/b.whl"]
    );
}

#[test]
fn links_that_lead_to_no_server_are_left_out() {
    let links = [
        "javascript:alert(1)//a.whl",
        "JaVaScRiPt:1/a.whl",
        "file:///etc/passwd",
        "data:text/html,a",
        "ftp://a/b",
    ];
    let links = [
        &links[..],
        &[
            "https://",
            "http://[::1/a.whl",
            "https://files.example/..%2f..%2fx",
            "%00.whl",
        ],
    ]
    .concat();
    let anchors: String = links
        .iter()
        .map(|link| format!("<a href=\"{link}\">a.whl</a>"))
        .collect();
    assert_eq!(urls(&page("text/html", &anchors)), Vec::<&str>::new());
    let files: Vec<_> = links[..7]
        .iter()
        .map(|link| json!({ "filename": "a.whl", "url": link }))
        .collect();
    assert_eq!(
        urls(&page(JSON, &json!({ "files": files }).to_string())),
        Vec::<&str>::new()
    );
    let names = ["", "..", "../a.whl", "a\u{0}.whl"];
    let files: Vec<_> = names
        .iter()
        .map(|name| json!({ "filename": name, "url": "/a.whl" }))
        .collect();
    assert_eq!(
        urls(&page(JSON, &json!({ "files": files }).to_string())),
        Vec::<&str>::new()
    );
}

#[test]
fn broken_pages_are_refused_with_the_place() {
    let whole = a_json_page();
    for end in (0..whole.len()).step_by(7) {
        assert!(
            matches!(
                Page::parse(JSON, &whole.as_bytes()[..end], &base()),
                Err(PageError::Json { .. })
            ),
            "{end}"
        );
    }
    assert!(refusal(JSON, &"[".repeat(100_000)).ends_with("is broken JSON"));
    let page = "https://index.example/simple/Some_Project/ is no page of a package index:";
    let cases = [
        ("[]", "the document should be an object"),
        ("null", "the document should be an object"),
        ("{}", "files should be a list"),
        (r#"{"files": {}}"#, "files should be a list"),
        (r#"{"files": [[]]}"#, "files[0] should be an object"),
        (r#"{"files": [{"filename": "a"}]}"#, "files[0].url should be text"),
        (
            r#"{"files": [{"url": "a", "filename": 1}]}"#,
            "files[0].filename should be text",
        ),
        (r#"{"files": [], "meta": 1}"#, "meta should be an object"),
        (
            r#"{"files": [], "meta": {"api-version": 1.0}}"#,
            "meta.api-version should be text",
        ),
    ];
    for (body, reason) in cases {
        assert_eq!(refusal(JSON, body), format!("{page} {reason}"));
    }
    assert!(refusal("application/octet-stream", "").contains(r#"is "application/octet-stream""#));
    assert!(refusal("", "").contains(r#"is """#));
}

#[test]
fn odd_values_are_not_believed() {
    let file = json!({
        "filename": "a.whl", "url": "/a.whl", "hashes": { "sha256": "../../x", "md5": 5, "sha1": "zz" },
        "core-metadata": { "sha256": 5 }, "size": -1, "yanked": 7, "requires-python": ["x"],
    });
    let page = page(JSON, &json!({ "files": [file], "name": 5, "meta": {} }).to_string());
    let file = page.files().next().unwrap();
    assert_eq!((file.sha256, file.metadata_sha256, file.size), (None, None, None));
    assert!(file.has_metadata);
    assert_eq!(page.head["name"], "some-project");
    assert!(
        String::from_utf8(page.to_html(same))
            .unwrap()
            .contains(r#"data-core-metadata="true""#)
    );
}

#[test]
fn an_unknown_major_version_is_refused() {
    let html = |version: &str| format!(r#"<meta name="pypi:repository-version" content="{version}"><a href=a.whl>"#);
    assert_eq!(urls(&page("text/html", &html("1.9"))).len(), 1);
    assert!(refusal("text/html", &html("2.0")).contains("version 2.0 of the simple repository API"));
    assert!(refusal(JSON, r#"{"files": [], "meta": {"api-version": "10.0"}}"#).contains("version 10.0"));
}

#[test]
fn errors_keep_passwords_to_themselves() {
    let base = Url::parse("https://user:secret@index.example/simple/a/").unwrap();
    let error = Page::parse("text/plain", b"", &base).unwrap_err().to_string();
    assert!(error.starts_with("https://index.example/simple/a/ is"), "{error}");
}

#[test]
fn noise_is_an_empty_page() {
    let noise: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    assert_eq!(Page::parse("text/html", &noise, &base()).unwrap().files().count(), 0);
    assert_eq!(page("text/html", "").files().count(), 0);
    assert_eq!(page("text/html", "<a href=\"a.whl").files().count(), 0);
}

#[test]
fn fifty_thousand_files_are_no_trouble() {
    let files = (0..50_000).map(|number| NewFile {
        filename: format!("big-{number}.whl"),
        url: format!("https://files.example/big-{number}.whl"),
        sha256: HASH.to_owned(),
        metadata_sha256: OTHER.to_owned(),
        size: number,
    });
    let big = Page::new("Big", &["1"], files);
    let start = Instant::now();
    let from_json = Page::parse(JSON, &big.to_json(same), &base()).unwrap();
    let from_html = Page::parse("text/html", &big.to_html(same), &base()).unwrap();
    assert_eq!(from_json, big);
    assert_eq!(from_html.files().count(), 50_000);
    // Unoptimised and on a machine that compiles beside it this took 34 s; what is quadratic takes many minutes.
    assert!(start.elapsed() < Duration::from_secs(120), "{:?}", start.elapsed());
}

#[test]
fn clients_get_the_form_they_want() {
    let pip = format!("{JSON}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01");
    let uv = format!("{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01");
    for accept in [
        &*pip,
        &*uv,
        JSON,
        "text/html, application/vnd.pypi.simple.v1+json",
        "application/vnd.pypi.simple.latest+JSON ; Q = 0.5, */*;q=0.1",
        "text/html;q=0, application/vnd.pypi.simple.v1+json;q=0.1",
    ] {
        assert_eq!(Form::negotiate(Some(accept)), Form::Json, "{accept}");
    }
    for accept in [
        "",
        "*/*",
        "text/html",
        "application/vnd.pypi.simple.v1+html",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "application/vnd.pypi.simple.v1+json;q=0.1, text/html",
        "application/vnd.pypi.simple.v1+json;q=0",
        "application/vnd.pypi.simple.v1+json;q=high",
        "image/png",
        ";;,,/;q=",
    ] {
        assert_eq!(Form::negotiate(Some(accept)), Form::Html, "{accept}");
    }
    assert_eq!(Form::negotiate(None), Form::Html);
    assert_eq!(
        (Form::Json.content_type(), Form::Html.content_type()),
        (JSON, "text/html")
    );
}
