//! Reads a Dockerfile into instructions with their lines, and rewrites it. Not for: building anything.
//!
//! It follows the parser of BuildKit: `source` cuts the file into logical lines, `command` takes those apart, `parse`
//! makes instructions and stages of them. `expand` and `bases` find the images that stages start from, `rewrite`
//! changes the text without moving a line, `steps` leads from a builder's step back to its instruction, `layers` from an
//! image's layers, and `sources` tells what an instruction takes from the context, or has fetched.

mod bases;
mod command;
mod expand;
mod features;
mod layers;
mod parse;
mod rewrite;
mod source;
mod sources;
mod steps;

use std::collections::BTreeMap;

use crate::units::Bytes;

pub use layers::{Ground, LayerOrigin, TracedLayer};

/// A Dockerfile that could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct DockerfileError {
    /// The line, from 1.
    pub line: u32,
    /// What was expected.
    pub message: String,
}

/// A parsed Dockerfile; keeps its text exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    text: String,
    instructions: Vec<Instruction>,
    stages: Vec<Stage>,
    source: source::Source,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The keyword in upper case: `RUN`.
    pub keyword: String,
    /// Its first line, from 1.
    pub first_line: u32,
    /// Its last line, heredoc bodies included.
    pub last_line: u32,
    /// What follows the keyword, continuation lines joined with one space and comment lines left out, without
    /// heredoc bodies.
    pub arguments: String,
    /// The stage that it belongs to; `None` before the first FROM.
    pub stage: Option<usize>,
}

/// A build stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its name in `AS name`, in lower case, if it has one.
    pub name: Option<String>,
    /// The image or stage that it starts from, as written.
    pub base: String,
    /// The line of its FROM.
    pub line: u32,
}

/// A cache mount of a RUN instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMount {
    /// The first line of the instruction.
    pub line: u32,
    /// Where it is mounted.
    pub target: String,
    /// Its id, if the Dockerfile gives one.
    pub id: Option<String>,
}

/// An image that a stage starts from and that is no stage itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExternalBase {
    /// The reference, arguments expanded.
    pub reference: String,
    /// The line of the FROM.
    pub line: u32,
}

impl Instruction {
    /// Whether it is one of those that change the files of the image, and so can make a layer of it.
    #[must_use]
    pub fn can_make_layer(&self) -> bool {
        layers::works(&self.keyword)
    }
}

impl Dockerfile {
    /// With other images to take files from (`COPY --from=`, `RUN --mount=…,from=`), by what the file names.
    #[must_use]
    pub fn with_sources(&self, replacement: &BTreeMap<String, String>) -> Self {
        rewrite::with_sources(self, replacement)
    }

    /// Parses a Dockerfile.
    ///
    /// # Errors
    /// If it holds an unknown instruction, no FROM, an unterminated heredoc and the like.
    pub fn parse(text: &str) -> Result<Self, DockerfileError> {
        parse::parse(text)
    }
    /// The text, exactly as read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The instructions, in order.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }
    /// The stages, in order.
    #[must_use]
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }
    /// The images that stages start from, arguments expanded with `build_args` and the defaults of ARGs before the
    /// first FROM; each reference once per FROM; no stages, no `scratch`. Arguments that BuildKit sets by itself, such
    /// as `TARGETARCH`, have this machine's values unless `build_args` gives others.
    ///
    /// # Errors
    /// If a reference is empty after expansion, or an argument without a value leaves a torn one (`python:`).
    pub fn external_bases(&self, build_args: &BTreeMap<String, String>) -> Result<Vec<ExternalBase>, DockerfileError> {
        let mut bases = self.bases(build_args)?;
        bases.retain(|base| base.reference != "scratch");
        Ok(bases)
    }
    /// As [`Self::external_bases`], with `scratch`.
    ///
    /// # Errors
    /// As [`Self::external_bases`].
    pub fn bases(&self, build_args: &BTreeMap<String, String>) -> Result<Vec<ExternalBase>, DockerfileError> {
        Ok(bases::external(self, build_args)?
            .into_iter()
            .map(|from| from.base)
            .collect())
    }
    /// The images that steps take files from without a stage of their own: `COPY --from=IMAGE` and
    /// `RUN --mount=from=IMAGE`. Neither takes arguments, so they stand as written.
    #[must_use]
    pub fn images_copied_from(&self) -> Vec<String> {
        let sources = self.instructions.iter().flat_map(|instruction| {
            let flags = instruction
                .arguments
                .split_whitespace()
                .take_while(|word| word.starts_with("--"));
            flags.filter_map(|flag| match instruction.keyword.as_str() {
                "COPY" => flag.strip_prefix("--from="),
                "RUN" => flag
                    .strip_prefix("--mount=")?
                    .split(',')
                    .find_map(|part| part.strip_prefix("from=")),
                _ => None,
            })
        });
        let is_stage = |source: &str| {
            let number = source.parse::<usize>().is_ok_and(|number| number < self.stages.len());
            number
                || self
                    .stages
                    .iter()
                    .any(|stage| stage.name.as_deref() == Some(&source.to_lowercase()))
        };
        let mut images: Vec<_> = sources.filter(|source| !is_stage(source)).map(str::to_owned).collect();
        images.sort();
        images.dedup();
        images
    }
    /// The same Dockerfile with the image of every external FROM, `scratch` included, replaced by `replacement(reference)` where that is
    /// `Some`; flags, stage names and all other text stay as they are.
    ///
    /// # Errors
    /// As [`Self::external_bases`].
    pub fn with_bases(
        &self,
        build_args: &BTreeMap<String, String>,
        replacement: &BTreeMap<String, String>,
    ) -> Result<Self, DockerfileError> {
        rewrite::with_bases(self, build_args, replacement)
    }
    /// The same Dockerfile without `--mount=type=cache…` flags; line numbers of instructions stay the same.
    ///
    /// A line that held nothing but such a flag becomes a comment, because builders skip comments inside of an
    /// instruction and complain about blank lines there. A RUN with no command is left as it is: no builder runs it.
    #[must_use]
    pub fn without_cache_mounts(&self) -> Self {
        rewrite::without_cache_mounts(self)
    }
    /// The cache mounts of all RUN instructions.
    #[must_use]
    pub fn cache_mounts(&self) -> Vec<CacheMount> {
        features::cache_mounts(self)
    }
    /// The first thing that the classic builder can't do (`RUN --mount`, a heredoc, `COPY --link` …), with its line.
    #[must_use]
    pub fn needs_buildkit(&self) -> Option<(u32, String)> {
        features::needs_buildkit(self)
    }
    /// The names of ARGs declared before the first FROM.
    #[must_use]
    pub fn global_args(&self) -> Vec<String> {
        bases::global_arguments(self)
            .into_iter()
            .map(|(name, _, _)| name)
            .collect()
    }
    /// The instruction that a BuildKit step (`[builder 3/7] RUN apt-get update`) or a classic step
    /// (`Step 3/9 : RUN …`) came from, by stage name and number.
    #[must_use]
    pub fn instruction_of_step(&self, step: &str) -> Option<&Instruction> {
        steps::instruction_of(self, step)
    }
    /// The instructions of which the image of a target (the last stage, if `None`) is made, in the order in which they are
    /// run: those of its stage, after those of the stages that it starts from.
    #[must_use]
    pub fn instructions_of_image(&self, target: Option<&str>) -> Vec<&Instruction> {
        layers::instructions_of_image(self, target)
    }
    /// What made each layer of an image of this file, lowest first.
    ///
    /// `history` is what an engine's API tells of the image (`GET /images/NAME/history`), **oldest first**: the creating
    /// command and the layer's size. `layers` is the number of the image's layers, and `ground` what it was built on, where
    /// that is known. The API does not say which entries have a layer: one with a size has, and one of BuildKit's for a `RUN`
    /// and the like; one of an `ENV` and the like has not; of the classic builder a `WORKDIR` that made a folder looks like a
    /// `RUN` that left nothing behind. Where the numbers don't decide, the origin is [`LayerOrigin::Unknown`].
    #[must_use]
    pub fn layers_of_image(
        &self,
        target: Option<&str>,
        history: &[(&str, Bytes)],
        layers: usize,
        ground: Option<Ground>,
    ) -> Vec<TracedLayer<'_>> {
        layers::of_image(self, target, history, layers, ground)
    }
    /// What an instruction of this file takes from the build context, as paths or patterns from its root: sources of COPY
    /// and ADD, and what a RUN binds; `.` is all of it. `step` is the builder's name of it, in which variables are filled
    /// in; where it is of no help, they stand as written.
    #[must_use]
    pub fn context_sources(&self, instruction: &Instruction, step: &str) -> Vec<String> {
        sources::context_sources(self, instruction, step)
    }
    /// What a step has the builder itself fetch, if it is an ADD that does: the addresses, with the instruction's line.
    #[must_use]
    pub fn remote_sources(&self, step: &str) -> Vec<(u32, String)> {
        // Most files have none, and joining steps takes its time.
        if !self.instructions.iter().any(|it| it.keyword == "ADD") {
            return Vec::new();
        }
        let add = steps::instruction_of(self, step);
        add.map_or_else(Vec::new, |add| sources::remote_sources(self, add, step))
    }
    /// Whether a source as [`Self::context_sources`] tells it takes this file of the context.
    #[must_use]
    pub fn takes(source: &str, file: &str) -> bool {
        sources::takes(source, file)
    }
}
