//! All tables of an experiment.

use super::experiment::Experiment;
use super::metrics::Subject;
use super::{differences, distributions, experts, main_table, reproduction, tuning};
use crate::table::Table;

impl Experiment {
    /// The tables that these results fill: `main`, `distributions`, `corrected`, `differences`, `experts`, `tuning`, `published`.
    ///
    /// A table for which nothing was measured is left out. Failed cells are named in the notes.
    pub fn tables(&self) -> Vec<Table> {
        let tables = [
            Some(main_table::table(self)),
            distributions::table(self, Subject::Ensemble),
            distributions::table(self, Subject::Corrected),
            differences::table(self),
            experts::table(self),
            tuning::table(self),
            reproduction::table(self),
        ];
        tables.into_iter().flatten().collect()
    }
}
