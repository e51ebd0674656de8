//! Wishes: of the incoming pod towards placed ones, and of placed pods towards it.

use super::filtering::query;
use super::key_sums::KeySums;
use crate::framework::{SCORE_MAX, Score};
use crate::snapshot::{NodeIndex, PodInfo, TermKind, View, WeightedTerm};

/// What all wishes together say of the nodes.
pub struct AffinityScore<'a> {
    nodes: &'a [NodeIndex],
    sums: KeySums<'a>,
}

impl<'a> AffinityScore<'a> {
    /// None if nobody wishes anything. `hard_weight` is what a placed pod's required affinity
    /// counts.
    pub fn new(
        pod: &PodInfo,
        view: &'a View<'a>,
        nodes: &'a [NodeIndex],
        hard_weight: i64,
    ) -> Option<Self> {
        let mut sums = KeySums::new(view);
        add_wishes(&mut sums, view, &pod.terms.preferred_affinity, 1);
        add_wishes(&mut sums, view, &pod.terms.preferred_anti_affinity, -1);
        let kinds = [
            (TermKind::RequiredAffinity, hard_weight),
            (TermKind::PreferredAffinity, 1),
            (TermKind::PreferredAntiAffinity, -1),
        ];
        for (kind, factor) in kinds.into_iter().filter(|(_, factor)| *factor != 0) {
            view.terms_towards(kind, pod, |term, carriers| {
                let weights = carriers
                    .iter()
                    .map(|(node, carriers)| (*node, carriers.weight.saturating_mul(factor)));
                sums.add(&term.topology_key, weights);
            });
        }
        (!sums.is_zero()).then_some(Self { nodes, sums })
    }
}

impl Score for AffinityScore<'_> {
    fn score(&self, scores: &mut [i64]) {
        for sums in self.sums.iter().filter(|sums| sums.nonzero() > 0) {
            for (score, node) in scores.iter_mut().zip(self.nodes) {
                *score = score.saturating_add(sums.at(*node));
            }
        }
    }

    /// The lowest score becomes 0, the highest 100. The share is taken before it is multiplied,
    /// as in Go: 29 of 100 gives 28, because the product falls just short of 29.
    fn normalize(&self, scores: &mut [i64]) {
        let least = scores.iter().copied().min().unwrap_or(0);
        let most = scores.iter().copied().max().unwrap_or(0);
        let range = most.saturating_sub(least);
        for score in scores {
            *score = if range > 0 {
                let share = score.saturating_sub(least) as f64 / range as f64;
                (SCORE_MAX as f64 * share) as i64
            } else {
                0
            };
        }
    }
}

fn add_wishes(sums: &mut KeySums<'_>, view: &View<'_>, terms: &[WeightedTerm], sign: i64) {
    for WeightedTerm { weight, term } in terms {
        let pods = view.matching(&query(term));
        let weight = weight.saturating_mul(sign);
        let weights = pods
            .as_slice()
            .iter()
            .map(|(node, count)| (*node, weight.saturating_mul(count.pods.into())));
        sums.add(&term.topology_key, weights);
    }
}
