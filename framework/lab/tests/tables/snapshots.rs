//! Every rendering of typical and awkward results.

use balpoe_lab::table::{Format, render};

use crate::fixtures;

/// Snapshots of all tables of an experiment in each format, named after the experiment.
macro_rules! snapshots {
    ($($name:ident),+) => {$(
        #[test]
        fn $name() {
            let tables = fixtures::$name().tables();
            for format in Format::ALL {
                insta::assert_snapshot!(format!("{}_{format}", stringify!($name)), render(&tables, format));
            }
        }
    )+};
}

snapshots!(two_arms, one_seed, failed_cells, empty_group, awkward_names);
