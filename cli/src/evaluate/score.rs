//! The scores of translations, as they are printed.

use attend_infer::metric::{Confidence, CorpusStatistics, Metric, MetricError, MetricScore};
use serde::Serialize;

use crate::flags::{MetricFlags, MetricName};

/// The translations of a system and perhaps of a baseline, and the references of both.
pub(super) struct Systems<'a> {
    pub(super) hypotheses: &'a [String],
    pub(super) baseline: Option<&'a [String]>,
    /// For each translator, a reference for each hypothesis.
    pub(super) references: &'a [Vec<String>],
}

/// A score, under the names that sacreBLEU gives its parts.
#[derive(Serialize)]
pub(super) struct ReportedScore {
    name: String,
    score: f64,
    signature: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbose_score: Option<String>,
    #[serde(flatten)]
    confidence: Option<ReportedConfidence>,
    #[serde(flatten)]
    comparison: Option<Comparison>,
    /// The line that sacreBLEU prints.
    #[serde(skip)]
    line: String,
}

#[derive(Serialize)]
struct ReportedConfidence {
    confidence_mean: f64,
    confidence_var: f64,
}

/// A comparison with a baseline.
#[derive(Serialize)]
struct Comparison {
    baseline: BaselineScore,
    p_value: f64,
}

#[derive(Serialize)]
struct BaselineScore {
    score: f64,
    #[serde(flatten)]
    confidence: ReportedConfidence,
}

/// Computes the scores that the flags ask for, with confidence intervals from `resamples` if there are any.
pub(super) fn scores(
    flags: &MetricFlags,
    systems: &Systems<'_>,
    resamples: Option<usize>,
) -> Result<Vec<ReportedScore>, MetricError> {
    let names = flags.metrics.iter();
    names
        .map(|name| match name {
            MetricName::Bleu => score(flags.bleu(), systems, resamples),
            MetricName::Chrf => score(flags.chrf(), systems, resamples),
            MetricName::Ter => score(flags.ter(), systems, resamples),
        })
        .collect()
}

fn score<M: Metric + Copy>(
    metric: M,
    systems: &Systems<'_>,
    resamples: Option<usize>,
) -> Result<ReportedScore, MetricError> {
    let statistics = CorpusStatistics::new(metric, systems.hypotheses, systems.references)?;
    let score = statistics.score();
    let mut signature = score.signature().clone();
    let (mut confidence, mut comparison) = (None, None);
    if let Some(resamples) = resamples {
        signature = signature.resampled(resamples);
        confidence = Some(match systems.baseline {
            Some(baseline) => {
                let baseline = CorpusStatistics::new(metric, baseline, systems.references)?;
                let test = statistics.compare(&baseline, resamples)?;
                comparison = Some(Comparison {
                    baseline: BaselineScore {
                        score: baseline.score().value(),
                        confidence: test.baseline.into(),
                    },
                    p_value: test.p_value,
                });
                test.system
            }
            None => statistics.confidence(resamples),
        });
    }
    Ok(ReportedScore {
        name: score.name(),
        score: score.value(),
        signature: signature.to_string(),
        verbose_score: score.details(),
        line: score.line(confidence.as_ref()),
        confidence: confidence.map(ReportedConfidence::from),
        comparison,
    })
}

impl From<Confidence> for ReportedConfidence {
    fn from(confidence: Confidence) -> Self {
        Self {
            confidence_mean: confidence.mean,
            confidence_var: confidence.half_width,
        }
    }
}

impl ReportedScore {
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always serialize")
    }

    /// Returns the line that sacreBLEU prints, and after a comparison a line on the baseline.
    pub(super) fn to_text(&self) -> String {
        let Some(Comparison { baseline, p_value }) = &self.comparison else {
            return self.line.clone();
        };
        let ReportedConfidence {
            confidence_mean: mean,
            confidence_var: half_width,
        } = baseline.confidence;
        format!(
            "{}\n{} of the baseline = {:.2} (μ = {mean:.2} ± {half_width:.2}), p = {p_value:.4}",
            self.line, self.name, baseline.score
        )
    }
}
