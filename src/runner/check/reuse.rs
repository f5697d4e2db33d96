//! Whether layers that a scenario promises to reuse are those of the cold image. A step from the cache does not prove it:
//! a `COPY --from` is keyed by what it copies, and can bring in a layer of an earlier build.

use std::collections::BTreeMap;

use crate::dockerfile::{Dockerfile, Instruction, LayerOrigin, TracedLayer};

/// The layers of an image by the instructions that made them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layers {
    /// The first line of an instruction, and its layer's diff id.
    by_line: BTreeMap<u32, String>,
    /// Whether the engine's words leave it open what made some layer.
    doubtful: bool,
}

impl Layers {
    /// Joins an image's layers to the lines that they were traced back to.
    #[must_use]
    pub fn of(layers: &[String], traced: &[TracedLayer<'_>]) -> Self {
        let mut found = Self::default();
        for (layer, traced) in layers.iter().zip(traced) {
            match traced.origin {
                LayerOrigin::Instruction(instruction) => {
                    found.by_line.insert(instruction.first_line, layer.clone());
                }
                LayerOrigin::Unknown => found.doubtful = true,
                LayerOrigin::Base => {}
            }
        }
        found
    }

    fn layer(&self, line: u32, image: &str) -> Result<&str, String> {
        match self.by_line.get(&line) {
            Some(layer) => Ok(layer),
            None if self.doubtful => Err(format!(
                "the engine's history of the {image} image leaves open which layer is its"
            )),
            None => Err(format!("the {image} image has no layer of it")),
        }
    }
}

/// The layers, of those made at these lines, that are not the same as in the cold image.
#[must_use]
pub fn reuse(lines: &[u32], dockerfile: &Dockerfile, cold: Option<&Layers>, now: &Layers) -> Vec<String> {
    let name = |line: u32| {
        let of_line = |it: &&Instruction| it.first_line == line;
        let instruction = dockerfile.instructions().iter().find(of_line);
        instruction.map_or_else(String::new, |it| format!(" ({} {})", it.keyword, it.arguments))
    };
    let differs = |line: &u32| {
        let Some(cold) = cold else {
            return Some("there is no cold image to compare with".to_owned());
        };
        match (cold.layer(*line, "cold"), now.layer(*line, "new")) {
            (Ok(cold), Ok(now)) if cold == now => None,
            (Ok(cold), Ok(now)) => Some(format!("it is {}, and {} in the cold image", short(now), short(cold))),
            (Err(reason), _) | (_, Err(reason)) => Some(reason),
        }
    };
    let reason = |line: &u32| {
        let differs = differs(line)?;
        Some(format!(
            "the layer of line {line}{} was not reused: {differs}",
            name(*line)
        ))
    };
    lines.iter().filter_map(reason).collect()
}

/// As much of a digest as people need.
fn short(digest: &str) -> &str {
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    const DOCKERFILE: &str = "FROM base AS b\nRUN make\nFROM base\nCOPY --from=b /heavy /heavy\nCOPY src src\n";

    fn layers(heavy: &str, source: &str) -> Layers {
        let dockerfile = Dockerfile::parse(DOCKERFILE).expect("valid");
        let history = [
            ("", Bytes(9)),
            ("COPY /heavy /heavy # buildkit", Bytes(5)),
            ("COPY src src # buildkit", Bytes(1)),
        ];
        let layers = ["sha256:0", heavy, source].map(str::to_owned);
        let traced = dockerfile.layers_of_image(None, &history, layers.len(), None);
        Layers::of(&layers, &traced)
    }

    fn told(cold: Option<&Layers>, now: &Layers) -> Vec<String> {
        let dockerfile = Dockerfile::parse(DOCKERFILE).expect("valid");
        reuse(&[4], &dockerfile, cold, now)
    }

    #[test]
    fn a_layer_that_is_the_same_was_reused() {
        let cold = layers("sha256:h", "sha256:s");
        assert_eq!(told(Some(&cold), &layers("sha256:h", "sha256:t")), Vec::<String>::new());
        assert_eq!(
            told(Some(&cold), &layers("sha256:older", "sha256:s")),
            ["the layer of line 4 (COPY --from=b /heavy /heavy) was not reused: it is older, and h in the cold image"]
        );
    }

    #[test]
    fn what_can_not_be_told_is_no_proof() {
        let cold = layers("sha256:h", "sha256:s");
        assert!(told(None, &cold)[0].contains("no cold image"));
        assert!(told(Some(&cold), &Layers::default())[0].contains("new image has no layer of it"));
        let doubtful = Layers {
            doubtful: true,
            ..Layers::default()
        };
        assert!(told(Some(&doubtful), &cold)[0].contains("history of the cold image leaves open"));
    }
}
