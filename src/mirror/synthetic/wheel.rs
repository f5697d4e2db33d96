//! The packages, and a package as a wheel (PEP 427).

use std::io::{Seek, Write};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zip::result::ZipResult;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::units::SplitMix64;

use super::graph::Graph;
use super::{FORMAT, META, Spec, source};

/// The version of all packages, and the one from which [`META`] has an update that changes nothing else.
const VERSIONS: [&str; 2] = ["1.0", "1.1"];

/// One version of a project.
pub(super) struct Package {
    /// The normalized name.
    pub(super) project: String,
    version: &'static str,
    /// The normalized names of the projects that it requires.
    requires: Vec<String>,
    /// The stream of the seed that decides the content.
    stream: u64,
    seed: u64,
    files: u32,
    bytes: u64,
}

/// All packages; those of one project are neighbours, the older first.
pub(super) fn packages(spec: &Spec) -> Vec<Package> {
    let graph = Graph::of(spec);
    let projects = |numbers: &[u32]| numbers.iter().map(|number| project(*number)).collect::<Vec<_>>();
    // The one that requires all is an empty module.
    let meta = VERSIONS.map(|version| Package {
        project: META.to_owned(),
        version,
        requires: projects(&graph.roots),
        stream: 0,
        seed: spec.seed,
        files: 1,
        bytes: 0,
    });
    let generated = (0..spec.packages)
        .zip(&graph.requires)
        .map(|(number, requires)| Package {
            project: project(number),
            version: VERSIONS[0],
            requires: projects(requires),
            stream: u64::from(number),
            seed: spec.seed,
            files: spec.files,
            bytes: spec.bytes,
        });
    meta.into_iter().chain(generated).collect()
}

fn project(number: u32) -> String {
    format!("{META}-{number:04}")
}

impl Package {
    /// The names of the wheel and of its metadata file (PEP 658).
    pub(super) fn filenames(&self) -> [String; 2] {
        let wheel = format!("{}-{}-py3-none-any.whl", self.folder(), self.version);
        let metadata = format!("{wheel}.metadata");
        [wheel, metadata]
    }

    /// What is in `METADATA` (core metadata 2.1), and in the file of PEP 658.
    pub(super) fn metadata(&self) -> String {
        let Self { project, version, .. } = self;
        let mut text = format!("Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n");
        text.push_str("Summary: Generated to measure installs\nRequires-Python: >=3.7\n");
        for required in &self.requires {
            text.push_str(&format!("Requires-Dist: {required}>={}\n", VERSIONS[0]));
        }
        text
    }

    /// Writes the wheel. Nothing in it depends on the machine or the time.
    pub(super) fn pack<W: Write + Seek>(&self, to: W) -> ZipResult<W> {
        let mut wheel = Packing {
            zip: ZipWriter::new(to),
            record: String::new(),
        };
        let mut random = SplitMix64::new(self.seed, self.stream);
        for (number, size) in sizes(&mut random, self.files, self.bytes).into_iter().enumerate() {
            let module = if number == 0 {
                "__init__".to_owned()
            } else {
                format!("module_{number:04}")
            };
            let text = source::module(&mut random, usize::try_from(size).unwrap_or(usize::MAX));
            wheel.add(&format!("{}/{module}.py", self.folder()), &text)?;
        }
        let info = format!("{}-{}.dist-info", self.folder(), self.version);
        wheel.add(&format!("{info}/METADATA"), &self.metadata())?;
        wheel.add(
            &format!("{info}/WHEEL"),
            &format!("Wheel-Version: 1.0\nGenerator: bakeoff {FORMAT}\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        )?;
        // It lists itself, but can't have its own hash.
        let record = format!("{info}/RECORD");
        let text = format!("{}{record},,\n", wheel.record);
        wheel.add(&record, &text)?;
        wheel.zip.finish()
    }

    /// The folder of the modules, which is the project's name as an identifier.
    fn folder(&self) -> String {
        self.project.replace('-', "_")
    }
}

/// A wheel that is being packed, and its `RECORD` so far.
struct Packing<W: Write + Seek> {
    zip: ZipWriter<W>,
    record: String,
}

impl<W: Write + Seek> Packing<W> {
    fn add(&mut self, path: &str, text: &str) -> ZipResult<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            // The earliest that a zip can say, 1980-01-01.
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644)
            .large_file(u32::try_from(text.len()).is_err());
        self.zip.start_file(path, options)?;
        self.zip.write_all(text.as_bytes())?;
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(text));
        self.record.push_str(&format!("{path},sha256={hash},{}\n", text.len()));
        Ok(())
    }
}

/// The sizes of so many files, between half and one and a half of the average, `bytes` together.
fn sizes(random: &mut SplitMix64, files: u32, bytes: u64) -> Vec<u64> {
    let weights: Vec<u64> = (0..files.max(1)).map(|_| 500 + random.below(1001)).collect();
    let total: u64 = weights.iter().sum();
    let mut weighed = 0;
    let mut placed = 0;
    let size = |weight: &u64| {
        weighed += weight;
        // The end of this file, if all lay in a row. It can't be more than `bytes`.
        let end = u128::from(bytes) * u128::from(weighed) / u128::from(total);
        let end = u64::try_from(end).unwrap_or(bytes);
        let size = end - placed;
        placed = end;
        size
    };
    weights.iter().map(size).collect()
}
