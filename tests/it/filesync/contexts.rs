//! Contexts that are hard to send right.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{CWD, FileType, Mode, XattrFlags, lsetxattr, makedev, mknodat};

/// A context with its Dockerfile, and what happens to it between builds.
pub struct Case {
    pub name: &'static str,
    /// Files and what they hold; a name that ends in `/` makes an empty folder.
    pub files: &'static [(&'static str, &'static str)],
    /// What else there is.
    pub more: fn(&Path),
    pub dockerfile: &'static str,
    /// Where the Dockerfile is, seen from the context.
    pub at: &'static str,
    /// Changes, with a build after each.
    pub changes: &'static [fn(&Path)],
    /// Whether there are engines that refuse it.
    pub may_fail: bool,
}

const fn case(name: &'static str, files: &'static [(&'static str, &'static str)]) -> Case {
    Case {
        name,
        files,
        more: |_| {},
        dockerfile: "FROM scratch\nARG TO\nCOPY . /${TO}/\n",
        at: "Dockerfile",
        changes: &[],
        may_fail: false,
    }
}

/// A small project.
const PROJECT: &[(&str, &str)] = &[
    ("README.md", "readme"),
    ("a.md", "a"),
    ("src/main.py", "main"),
    ("src/util.py", "util"),
    ("src/util.pyc", "compiled"),
    ("src/deep/er/x.pyc", "compiled"),
    ("src/deep/er/keep.pyc", "kept"),
    ("docs/README.md", "docs"),
    ("docs/guide/one.md", "one"),
    ("docs/guide/two.txt", "two"),
    ("node_modules/a/index.js", "a"),
    ("node_modules/b/keep.js", "b"),
    (".git/config", "git"),
    ("build/", ""),
];

macro_rules! ignoring {
    ($name:literal, $ignore:literal) => {
        Case {
            more: |context| {
                for (name, text) in PROJECT {
                    lay(context, name, text);
                }
            },
            ..case($name, &[(".dockerignore", $ignore)])
        }
    };
}

/// Every context. Those where a folder is excluded and a pattern with a wildcard takes something in it back are in
/// [`SINCE_23`]: older clients don't look into such folders.
pub const CASES: &[Case] = &[
    case(
        "plain files",
        &[("a", "1"), ("b/c", "2"), ("b/d/e", "3"), ("b.x", "4"), ("b-x", "5")],
    ),
    case(
        "an empty file and empty folders",
        &[("empty", ""), ("none/", ""), ("some/none/", "")],
    ),
    ignoring!("an ignore file", "# comment\n\n.git\nnode_modules/\n*.md\nbuild\n"),
    ignoring!("everything ignored but some", "*\n!src\n!README.md\nsrc/*.pyc\n"),
    ignoring!(
        "taken back under an ignored folder",
        "node_modules\n!node_modules/b/keep.js\ndocs\n!docs/guide\n"
    ),
    ignoring!("wildcards across folders", "**/*.pyc\n**/guide\n**/.git\n"),
    ignoring!("the last match wins", "*.md\n!README.md\nREADME.md\n!a.md\n"),
    ignoring!(
        "slashes, blanks and a byte order mark",
        "\u{feff}/src/\n  docs/./guide/../README.md  \n! src/main.py\n"
    ),
    ignoring!("question marks and classes", "?.md\nsrc/[m-n]*.py\nsrc/*[!y]\n"),
    ignoring!("a comment that is none", " #x\n\\#y\nsrc/#z\n"),
    ignoring!(
        "the Dockerfile and the ignore file ignored",
        "Dockerfile\n.dockerignore\n"
    ),
    ignoring!("a folder and what is in it", "src/**\ndocs/*\n"),
    Case {
        dockerfile: "FROM scratch\nARG TO\nCOPY src /${TO}/\n",
        ..ignoring!("patterns above what is copied", "src/deep\n!src/deep/er/keep.pyc\n")
    },
    Case {
        at: "docker/app.Dockerfile",
        ..case(
            "the Dockerfile's own ignore file",
            &[
                (".dockerignore", "*\n"),
                ("docker/app.Dockerfile.dockerignore", "b\n"),
                ("a", "1"),
                ("b", "2"),
            ],
        )
    },
    Case {
        at: "../elsewhere/Containerfile",
        ..case(
            "a Dockerfile outside of the context",
            &[(".dockerignore", "b\n"), ("a", "1"), ("b", "2")],
        )
    },
    Case {
        at: "../elsewhere/Containerfile",
        ..case(
            "outside, with an ignore file of its own",
            &[
                ("../elsewhere/Containerfile.dockerignore", "a\n"),
                ("a", "1"),
                ("b", "2"),
            ],
        )
    },
    Case {
        more: |context| {
            symlink("a", context.join("to-file")).expect("a link");
            symlink("folder", context.join("to-folder")).expect("a link");
            symlink("../../outside", context.join("folder/out")).expect("a link");
            symlink("/etc/hostname", context.join("absolute")).expect("a link");
            symlink("nowhere", context.join("dangling")).expect("a link");
            symlink("loop", context.join("loop")).expect("a link");
        },
        ..case("symbolic links", &[("a", "1"), ("folder/b", "2")])
    },
    Case {
        more: |context| {
            fs::hard_link(context.join("a"), context.join("b")).expect("a link");
            fs::hard_link(context.join("a"), context.join("folder/c")).expect("a link");
        },
        ..case("hard links", &[("a", "1"), ("folder/x", "2")])
    },
    Case {
        more: |context| {
            for (name, mode) in [
                ("setuid", 0o4755),
                ("setgid", 0o2711),
                ("none", 0o000),
                ("read", 0o400),
                ("all", 0o777),
                ("sticky", 0o1777),
                ("closed", 0o700),
            ] {
                fs::set_permissions(context.join(name), Permissions::from_mode(mode)).expect("a mode");
            }
            let old = UNIX_EPOCH + Duration::new(1_000_000_007, 123_456_789);
            let file = fs::File::options()
                .write(true)
                .open(context.join("all"))
                .expect("a file");
            file.set_modified(old).expect("a time");
            let ancient = fs::File::options()
                .write(true)
                .open(context.join("ancient"))
                .expect("a file");
            ancient
                .set_modified(UNIX_EPOCH - Duration::from_secs(1000))
                .expect("a time");
        },
        ..case(
            "modes and times",
            &[
                ("setuid", "1"),
                ("setgid", "2"),
                ("none", "3"),
                ("read", "4"),
                ("all", "5"),
                ("ancient", "6"),
                ("sticky/x", "7"),
                ("closed/x", "8"),
            ],
        )
    },
    Case {
        more: |context| {
            // Not every file system keeps them, and capabilities are root's to give.
            let _ = lsetxattr(context.join("a"), "user.note", b"hello", XattrFlags::empty());
            let _ = lsetxattr(context.join("folder"), "user.note", b"on a folder", XattrFlags::empty());
            let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let _ = lsetxattr(
                context.join("able"),
                "security.capability",
                &capability,
                XattrFlags::empty(),
            );
        },
        ..case("extended attributes", &[("a", "1"), ("able", "2"), ("folder/x", "3")])
    },
    Case {
        more: |context| {
            for name in [
                &b"with space"[..],
                b" leading",
                b"trailing ",
                b"new\nline",
                b"tab\t",
                b"quote'\"",
                b"back\\slash",
                b"star*",
                b"[class]",
                b"#hash",
                b"!bang",
                b"-dash",
                b"~",
                "\u{fc}ml\u{e4}ut".as_bytes(),
                "e\u{301}".as_bytes(),
                "\u{1f4e6}".as_bytes(),
                b"...",
            ] {
                fs::write(context.join(OsStr::from_bytes(name)), name).expect("a file");
            }
            let long = "x".repeat(255);
            fs::write(context.join(&long), "long").expect("a file");
            let deep = context.join(["d".repeat(200), "e".repeat(200)].join("/"));
            fs::create_dir_all(&deep).expect("folders");
            fs::write(deep.join("f".repeat(200)), "deep").expect("a file");
        },
        ..case("odd names", &[("a", "1")])
    },
    Case {
        more: |context| {
            fs::write(context.join(OsStr::from_bytes(b"latin-\xfc")), "1").expect("a file");
            fs::create_dir(context.join(OsStr::from_bytes(b"\xff\xfe"))).expect("a folder");
            fs::write(context.join(OsStr::from_bytes(b"\xff\xfe/in")), "2").expect("a file");
            symlink(OsStr::from_bytes(b"latin-\xfc"), context.join("to-it")).expect("a link");
        },
        may_fail: true,
        ..case("names that are no UTF-8", &[("a", "1")])
    },
    Case {
        more: |context| {
            mknodat(CWD, context.join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).expect("a pipe");
            drop(std::os::unix::net::UnixListener::bind(context.join("socket")).expect("a socket"));
            // Only root may make devices, and not everywhere.
            let (file, mode) = (context.join("null"), Mode::from_raw_mode(0o666));
            let _ = mknodat(CWD, file, FileType::CharacterDevice, mode, makedev(1, 3));
            let (file, mode) = (context.join("disk"), Mode::from_raw_mode(0o660));
            let _ = mknodat(CWD, file, FileType::BlockDevice, mode, makedev(7, 300));
        },
        ..case("pipes, sockets and devices", &[("a", "1")])
    },
    Case {
        dockerfile: "FROM scratch\nARG TO\nCOPY *.py src/*.py lib/?.txt /${TO}/\nCOPY [\"with space\", \"/${TO}/\"]\n",
        ..case(
            "copying by wildcards",
            &[
                ("a.py", "1"),
                ("b.pyc", "2"),
                ("src/c.py", "3"),
                ("src/deep/d.py", "4"),
                ("lib/e.txt", "5"),
                ("lib/ee.txt", "6"),
                ("with space", "7"),
                ("other/x", "8"),
            ],
        )
    },
    Case {
        dockerfile: "FROM scratch\nARG TO\nCOPY pyproject.toml /${TO}/\nCOPY src/pkg /${TO}/pkg\nCOPY ./docs/ /${TO}/docs/\n",
        ..case(
            "copying single files and folders",
            &[
                ("pyproject.toml", "1"),
                ("src/pkg/__init__.py", "2"),
                ("src/other/x.py", "3"),
                ("docs/a/b.md", "4"),
                ("big/x", "5"),
            ],
        )
    },
    Case {
        more: |context| {
            symlink("real/inner", context.join("link")).expect("a link");
            symlink("../other", context.join("real/inner/up")).expect("a link");
            symlink("real/file", context.join("file-link")).expect("a link");
            symlink("/real/file", context.join("absolute-link")).expect("a link");
            symlink("real/x1", context.join("w1.lnk")).expect("a link");
            symlink("real/x2", context.join("w2.lnk")).expect("a link");
        },
        dockerfile: "FROM scratch\nARG TO\nCOPY link/a /${TO}/\nCOPY file-link absolute-link /${TO}/\nCOPY *.lnk /${TO}/w/\n\
                     COPY link /${TO}/all/\n",
        ..case(
            "copying through links",
            &[
                ("real/inner/a", "1"),
                ("real/inner/b", "2"),
                ("real/other/c", "3"),
                ("real/file", "4"),
                ("real/x1", "5"),
                ("real/x2", "6"),
            ],
        )
    },
    Case {
        dockerfile: "FROM scratch\nARG TO\nCOPY src/a /${TO}/\n",
        ..case(
            "copying what an ignored folder gives back",
            &[(".dockerignore", "src\n!src/a\n"), ("src/a", "1"), ("src/b", "2")],
        )
    },
    Case {
        changes: &[
            |context| write(context, "changed", "after"),
            |context| fs::remove_file(context.join("removed")).expect("removed"),
            |context| fs::rename(context.join("old"), context.join("new")).expect("renamed"),
            |context| fs::set_permissions(context.join("changed"), Permissions::from_mode(0o600)).expect("a mode"),
            |context| {
                fs::remove_file(context.join("kind")).expect("removed");
                write(context, "kind/inside", "a folder now");
            },
            |context| {
                fs::remove_dir_all(context.join("folder")).expect("removed");
                symlink("changed", context.join("folder")).expect("a link");
            },
            |context| {
                // Of the same size and time as before: BuildKit takes it for unchanged.
                let before = fs::metadata(context.join("changed"))
                    .expect("a file")
                    .modified()
                    .expect("a time");
                write(context, "changed", "AFTER");
                let file = fs::File::options()
                    .write(true)
                    .open(context.join("changed"))
                    .expect("a file");
                file.set_modified(before).expect("a time");
            },
        ],
        ..case(
            "changes between builds",
            &[
                ("changed", "before"),
                ("removed", "1"),
                ("old", "2"),
                ("kind", "a file"),
                ("folder/x", "3"),
                ("same", "4"),
            ],
        )
    },
    Case {
        more: |context| {
            let mut content = vec![0_u8; 5_000_011];
            for (at, byte) in content.iter_mut().enumerate() {
                *byte = u8::try_from(at * 31 % 251).unwrap_or(0);
            }
            fs::write(context.join("big"), content).expect("a file");
            for number in 0..300 {
                write(context, &format!("many/{}/{number}", number % 7), &number.to_string());
            }
        },
        ..case("a big file and many", &[("a", "1")])
    },
];

/// Contexts that clients since 23 send, and older ones send otherwise.
pub const SINCE_23: &[Case] = &[
    ignoring!("taken back by a wildcard", "docs\n!**/*.md\n"),
    ignoring!("nothing taken back", "docs\n!docs/nothing\n"),
    ignoring!("compiled but for some", "*\n!src/**/keep.pyc\n"),
    ignoring!("a folder taken back that nothing ignores", "**/*.md\n!docs\n"),
];

/// Lays a file or an empty folder.
pub fn lay(context: &Path, name: &str, text: &str) {
    if name.ends_with('/') {
        fs::create_dir_all(context.join(name)).expect("a folder");
    } else {
        write(context, name, text);
    }
}

fn write(context: &Path, name: &str, text: &str) {
    let path = context.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(path, text).expect("a file");
}
