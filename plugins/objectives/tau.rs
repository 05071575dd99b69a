//! Prior exponents of the experts.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// The exponents tau of the experts: a list, or a rule that makes one for any number of experts.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Tau {
    /// Evenly from a to b, both included: `a + (b - a) e / (experts - 1)`; the middle for one expert.
    Limits([f64; 2]),
    /// Evenly inside a to b: `a + (b - a) (e + 1/2) / experts`.
    Uniform([f64; 2]),
    /// One for each expert.
    #[serde(untagged)]
    List(Vec<f64>),
}

impl Tau {
    /// One tau for each expert; a list as it is, whatever its length.
    pub fn of(&self, experts: usize) -> Vec<f64> {
        let spread = |[low, high]: [f64; 2], place: &dyn Fn(f64) -> f64| {
            (0..experts).map(|expert| low + (high - low) * place(expert as f64)).collect()
        };
        match self {
            Self::Limits(ends) if experts == 1 => spread(*ends, &|_| 0.5),
            Self::Limits(ends) => spread(*ends, &|expert| expert / (experts - 1) as f64),
            Self::Uniform(ends) => spread(*ends, &|expert| (expert + 0.5) / experts as f64),
            Self::List(list) => list.clone(),
        }
    }

    /// The numbers as written.
    pub(super) fn numbers(&self) -> &[f64] {
        match self {
            Self::Limits(ends) | Self::Uniform(ends) => ends,
            Self::List(list) => list,
        }
    }
}

/// Read by hand: serde's `untagged` would forget where in the file a wrong number stands.
impl<'de> Deserialize<'de> for Tau {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TauVisitor)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Rule {
    Limits,
    Uniform,
}

struct TauVisitor;

impl<'de> Visitor<'de> for TauVisitor {
    type Value = Tau;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list with one number per expert, or { limits = [a, b] }, or { uniform = [a, b] }")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Tau, A::Error> {
        let mut list = Vec::new();
        while let Some(tau) = sequence.next_element()? {
            list.push(tau);
        }
        Ok(Tau::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tau, A::Error> {
        let expecting = || A::Error::custom("expected one key, `limits` or `uniform`");
        let tau = match map.next_key()?.ok_or_else(expecting)? {
            Rule::Limits => Tau::Limits(map.next_value()?),
            Rule::Uniform => Tau::Uniform(map.next_value()?),
        };
        if map.next_key::<Rule>()?.is_some() {
            return Err(expecting());
        }
        Ok(tau)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lists that the reference's program makes of its `limits` and `uniform`.
    #[test]
    fn rules_make_the_lists_of_the_reference() {
        let close = |tau: Tau, expected: &[f64]| {
            let made = tau.of(expected.len());
            assert!(made.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{made:?}");
        };
        let limits = || Tau::Limits([0.0, 2.0]);
        close(limits(), &[1.0]);
        close(limits(), &[0.0, 2.0]);
        close(limits(), &[0.0, 1.0, 2.0]);
        close(limits(), &[0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0, 4.0 / 3.0, 5.0 / 3.0, 2.0]);
        close(Tau::Uniform([0.0, 2.0]), &[1.0 / 3.0, 1.0, 5.0 / 3.0]);
    }
}
