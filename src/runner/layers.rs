//! What the images of a trial consist of, told at its end, unmeasured: each layer with its sizes and its instruction, and for
//! the first measured trial of a scenario what is wasted in them. Not for: comparing images (that is the `analysis` room's).

mod scan;

use super::Trial;
use super::event::{ImageRecord, LayerOrigin, LayerRecord};
use crate::dockerfile::{self, Ground, TracedLayer};
use crate::engine::{Engine, EngineError, HistoryEntry};

pub(super) use scan::Scan;

impl<E: Engine> Trial<'_, E> {
    /// Every image that the trial made and its engine still has.
    pub(super) async fn image_records(&self) -> Vec<ImageRecord> {
        let looking = async {
            let mut records = Vec::new();
            for (image, name) in &self.images {
                records.extend(self.image_record(image, name).await);
            }
            if self.is_to_be_scanned() {
                self.scan(&mut records).await;
            }
            records
        };
        tokio::select! {
            biased;
            () = self.session.cancel.cancelled() => Vec::new(),
            records = looking => records,
        }
    }

    async fn image_record(&self, image: &str, name: &str) -> Option<ImageRecord> {
        let details = self.place.engine.image(name).await.ok().flatten()?;
        let history = self.place.engine.history(name).await.unwrap_or_default();
        let ground = self.ground(&details.layers).await.unwrap_or_default();
        let traced = self.traced(details.layers.len(), &history, ground);
        // A registry's manifest names the same layers in the same order.
        let pushed = self.packed.get(image).filter(|blobs| blobs.len() == traced.len());
        let layers = details.layers.into_iter().zip(traced).enumerate();
        Some(ImageRecord {
            image: image.to_owned(),
            layers: layers
                .map(|(number, (diff_id, traced))| LayerRecord {
                    diff_id,
                    size: traced.size,
                    blob: pushed.and_then(|blobs| blobs.get(number).cloned()),
                    origin: origin(&traced, ground.is_some_and(|ground| number + 1 == ground.layers)),
                })
                .collect(),
            waste: None,
            unread: None,
        })
    }

    /// What made each layer of an image of the trial's Dockerfile.
    pub(super) fn traced(
        &self,
        layers: usize,
        history: &[HistoryEntry],
        ground: Option<Ground>,
    ) -> Vec<TracedLayer<'_>> {
        let history: Vec<_> = history
            .iter()
            .map(|entry| (entry.created_by.as_str(), entry.size))
            .collect();
        let target = self.scenario.target.as_deref();
        self.dockerfile.layers_of_image(target, &history, layers, ground)
    }

    /// The trial's base that an image with these layers was built on. There is but one: each has a layer that no other has.
    pub(super) async fn ground(&self, layers: &[String]) -> Result<Option<Ground>, EngineError> {
        for base in &self.bases {
            let details = self.place.engine.image(base).await?;
            let Some(details) = details.filter(|base| layers.starts_with(&base.layers)) else {
                continue;
            };
            let history = self.place.engine.history(base).await?;
            return Ok(Some(Ground {
                layers: details.layers.len(),
                entries: history.len(),
            }));
        }
        Ok(None)
    }
}

/// Where a layer comes from; the last one of the trial's base is bakeoff's.
fn origin(traced: &TracedLayer<'_>, is_mark: bool) -> LayerOrigin {
    match traced.origin {
        dockerfile::LayerOrigin::Base if is_mark => LayerOrigin::Mark,
        dockerfile::LayerOrigin::Base => LayerOrigin::Base,
        dockerfile::LayerOrigin::Instruction(instruction) => LayerOrigin::Dockerfile {
            line: Some(instruction.first_line),
        },
        dockerfile::LayerOrigin::Unknown => LayerOrigin::Dockerfile { line: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_told_is_the_dockerfile_s_without_a_line() {
        use crate::dockerfile::LayerOrigin as Found;
        let dockerfile = dockerfile::Dockerfile::parse("FROM a\nRUN a\n").expect("valid");
        let told = |found, is_mark| {
            let traced = TracedLayer {
                origin: found,
                size: None,
            };
            origin(&traced, is_mark)
        };
        let line = |line| LayerOrigin::Dockerfile { line };
        assert_eq!(told(Found::Base, false), LayerOrigin::Base);
        assert_eq!(told(Found::Base, true), LayerOrigin::Mark);
        assert_eq!(
            told(Found::Instruction(&dockerfile.instructions()[1]), false),
            line(Some(2))
        );
        assert_eq!(told(Found::Unknown, false), line(None));
    }
}
