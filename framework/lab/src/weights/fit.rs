//! Which tensor of a file goes where in a network, or everything that stands in the way.

use std::collections::BTreeSet;

use balpoe_engine::EngineError;
use balpoe_net::Net;

use super::file::WeightFile;
use crate::error::LabError;
use crate::executor::Executor;
use crate::tensors::NamedTensor;

/// Names of each kind that an error shows.
const SHOWN: usize = 4;

/// Values for the first parameters of a network, and for all its buffers.
#[derive(Debug)]
pub(crate) struct Weights {
    parameters: Vec<Vec<f32>>,
    buffers: Vec<Vec<f32>>,
}

/// How a network's names are looked up in a file.
pub(super) struct Lookup {
    /// Parameters, from the first one on, that are looked for.
    pub(super) parameters: usize,
    /// Names under which a tensor may stand, the best first.
    pub(super) names: fn(&str) -> Vec<String>,
    /// Whether a tensor that nothing asks for is no mistake.
    pub(super) spare: fn(&str) -> bool,
    /// What to do about tensors that do not fit.
    pub(super) help: &'static str,
}

impl Weights {
    /// Takes everything from a file that was written for this very network.
    pub(crate) fn whole(net: &Net, file: &WeightFile) -> Result<Self, LabError> {
        let lookup = Lookup {
            parameters: net.parameters().len(),
            names: |name| vec![name.to_owned()],
            spare: |_| false,
            help: "use the backbone, head, experts and classes that the weights were trained with",
        };
        Self::fit(net, file, &lookup)
    }

    /// Takes a network's values from a file.
    ///
    /// # Errors
    /// One error that names all tensors that are missing, have another shape, or belong nowhere.
    pub(super) fn fit(net: &Net, file: &WeightFile, lookup: &Lookup) -> Result<Self, LabError> {
        let mut search =
            Search { file, lookup, used: BTreeSet::new(), missing: Vec::new(), misshaped: Vec::new() };
        let parameters = net.parameters()[..lookup.parameters]
            .iter()
            .map(|parameter| search.take(&parameter.name, &parameter.shape))
            .collect();
        let buffers = net.buffers().iter().map(|buffer| search.take(&buffer.name, &[buffer.len])).collect();
        search.complain()?;
        Ok(Self { parameters, buffers })
    }

    /// Puts the values into an executor of the network.
    pub(crate) fn load_into(&self, executor: &mut Executor) -> Result<(), EngineError> {
        for (place, values) in self.parameters.iter().enumerate() {
            executor.set_parameter(place, values)?;
        }
        for (place, values) in self.buffers.iter().enumerate() {
            executor.set_buffer(place, values)?;
        }
        Ok(())
    }
}

struct Search<'a> {
    file: &'a WeightFile,
    lookup: &'a Lookup,
    used: BTreeSet<&'a str>,
    missing: Vec<String>,
    misshaped: Vec<String>,
}

impl Search<'_> {
    fn take(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        let names = (self.lookup.names)(name);
        let found = names.iter().find_map(|name| self.file.tensors.get_key_value(name));
        let Some((found, NamedTensor { shape: given, values })) = found else {
            self.missing.push(names.join(" or "));
            return Vec::new();
        };
        self.used.insert(found);
        if given != shape {
            self.misshaped.push(format!("{found} is {given:?}, expected {shape:?}"));
        }
        values.clone()
    }

    fn complain(self) -> Result<(), LabError> {
        let names = self.file.tensors.keys().map(String::as_str);
        let unexpected: Vec<String> = names
            .filter(|name| !self.used.contains(name) && !(self.lookup.spare)(name))
            .map(str::to_owned)
            .collect();
        let kinds =
            [("missing", self.missing), ("of another shape", self.misshaped), ("unexpected", unexpected)];
        let complaints: Vec<String> = kinds
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(kind, mut names)| {
                names.dedup();
                format!("{} {kind} ({})", names.len(), list(&names))
            })
            .collect();
        if complaints.is_empty() {
            return Ok(());
        }
        let message = format!(
            "the tensors are not those of the network: {}; {}",
            complaints.join(", "),
            self.lookup.help
        );
        Err(LabError::damaged(&self.file.path, message))
    }
}

/// The first names, and how many more there are.
fn list(names: &[String]) -> String {
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
