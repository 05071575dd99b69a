//! The parts of a network that a phase freezes or re-initialises.

use std::collections::BTreeSet;

use balpoe_core::config::ConfigError;
use balpoe_core::experiment::Phase;

use crate::network::Network;

/// What a phase does to each parameter of a network, by its place in the list.
pub(crate) struct PhaseParts {
    /// Whether it is not trained.
    pub(crate) frozen: Vec<bool>,
    /// Whether it starts from fresh initial values.
    pub(crate) fresh: Vec<bool>,
    /// Whether nothing but heads is trained: the backbone then runs as in evaluation.
    pub(crate) backbone_frozen: bool,
}

impl PhaseParts {
    /// Finds the parts that a phase names.
    ///
    /// # Errors
    /// If the network has no such part, or nothing is left to train.
    pub(crate) fn of(phase: &Phase, network: &Network) -> Result<Self, ConfigError> {
        let find =
            |key: &str, names: &[String]| select(key, names, network).map_err(|error| phase.blame_own(error));
        let frozen = find("freeze", &phase.freeze)?;
        let fresh = find("reinitialise", &phase.reinitialise)?;
        if frozen.iter().all(|&frozen| frozen) {
            let message = "nothing is left to train in this phase: every part of the network is frozen";
            return Err(phase.blame_own(ConfigError::key("freeze", message)));
        }
        let head = heads(network);
        let backbone_frozen = frozen.iter().zip(&head).all(|(&frozen, &head)| frozen || head);
        Ok(Self { frozen, fresh, backbone_frozen })
    }
}

/// Whether each parameter belongs to a head.
fn heads(network: &Network) -> Vec<bool> {
    let places: BTreeSet<usize> = network.head_parameters.iter().flatten().map(|(place, _)| *place).collect();
    (0..network.net.parameters().len()).map(|place| places.contains(&place)).collect()
}

/// Whether each parameter belongs to one of the named parts.
fn select(key: &str, names: &[String], network: &Network) -> Result<Vec<bool>, ConfigError> {
    let head = heads(network);
    let parameters = network.net.parameters();
    let mut selected = vec![false; parameters.len()];
    for name in names {
        let belongs = |place: usize| match name.as_str() {
            "head" => head[place],
            "backbone" => !head[place],
            part => parameters[place].name.strip_prefix(part).is_some_and(|rest| rest.starts_with('.')),
        };
        let own: Vec<usize> = (0..parameters.len()).filter(|&place| belongs(place)).collect();
        if own.is_empty() {
            let first = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
            let mut known: Vec<String> = parameters.iter().map(|parameter| first(&parameter.name)).collect();
            known.dedup();
            return Err(ConfigError::key(key, format!("the network has no part `{name}`"))
                .help(format!("parts: backbone, head, {}, and what is in them, by dots", known.join(", "))));
        }
        own.into_iter().for_each(|place| selected[place] = true);
    }
    Ok(selected)
}
