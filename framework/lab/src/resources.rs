//! What a machine gives to the training of a cell.

use std::fmt::Debug;

use balpoe_core::config::ConfigError;
use balpoe_engine::InstructionSet;
use balpoe_engine::cuda::{Device, Fault, Precision};

/// What cells are computed on. Results depend on it by rounding only.
#[derive(Clone, Copy, Debug)]
pub struct Resources<'a> {
    /// Threads of the engine on the processor.
    pub threads: usize,
    /// Replicas of the network that share every batch of a cell. On the processor they share the threads as well; otherwise each
    /// has a GPU.
    pub replicas: usize,
    /// The devices.
    pub devices: Devices<'a>,
}

/// The processor, or GPUs.
#[derive(Clone, Copy, Debug)]
pub enum Devices<'a> {
    /// The processor.
    Cpu,
    /// GPUs; each cell takes as many of them as it has replicas.
    Cuda {
        /// Their numbers.
        ordinals: &'a [usize],
        /// Where they are to be had.
        gpus: &'a dyn Gpus,
    },
}

/// Opens GPUs by their numbers.
pub trait Gpus: Debug + Sync {
    /// What a GPU is called, such as `cuda:0 (NVIDIA H200)`.
    fn name(&self, ordinal: usize) -> String;

    /// Opens GPUs as one group that adds up gradients, each for a replica.
    ///
    /// # Errors
    /// If one of them fails.
    fn open(&self, ordinals: &[usize], precision: Precision) -> Result<Vec<Box<dyn Device>>, Fault>;
}

impl Resources<'static> {
    /// The processor with so many threads and one replica.
    pub fn processor(threads: usize) -> Self {
        Self { threads, replicas: 1, devices: Devices::Cpu }
    }
}

impl Resources<'_> {
    /// How many cells have devices of their own.
    ///
    /// # Errors
    /// If there are not as many GPUs as replicas, or GPUs would be left over.
    pub fn groups(&self) -> Result<usize, ConfigError> {
        let Devices::Cuda { ordinals, .. } = self.devices else { return Ok(1) };
        let (gpus, replicas) = (ordinals.len(), self.replicas);
        if gpus == 0 || !gpus.is_multiple_of(replicas) {
            let message = format!(
                "{replicas} replicas take {replicas} GPUs for each cell, and --device has {}",
                if gpus == 1 { "one".to_owned() } else { gpus.to_string() }
            );
            let last = replicas.max(1) - 1;
            return Err(ConfigError::new(message).help(format!("such as --device cuda:0-{last}")));
        }
        Ok(gpus / replicas)
    }

    /// How many cells are worked on at a time where so many are wanted. Cells of one GPU may share it; those of several may not,
    /// because two groups that add up over the same GPUs can wait for each other for ever (NCCL's guide, "Thread Safety").
    pub(crate) fn workers(self, wanted: usize) -> usize {
        match self.devices {
            Devices::Cuda { ordinals, .. } if self.replicas > 1 => {
                wanted.min((ordinals.len() / self.replicas).max(1))
            }
            _ => wanted,
        }
    }

    /// The part of one of several workers: threads are divided, and GPUs dealt out in turn, so that several workers may meet on one.
    pub(crate) fn share(self, worker: usize, workers: usize) -> Self {
        let threads = self.threads / workers + usize::from(worker < self.threads % workers);
        let devices = match self.devices {
            Devices::Cpu => Devices::Cpu,
            Devices::Cuda { ordinals, gpus } => {
                let groups = (ordinals.len() / self.replicas).max(1);
                let first = worker % groups * self.replicas;
                Devices::Cuda {
                    ordinals: ordinals.get(first..first + self.replicas).unwrap_or(ordinals),
                    gpus,
                }
            }
        };
        Self { threads: threads.max(1), devices, ..self }
    }

    /// What a cell is computed on, in words.
    pub fn describe(&self, precision: Precision) -> String {
        match self.devices {
            Devices::Cpu => {
                let text = format!("cpu, {}, {} threads", InstructionSet::detect(), self.threads);
                if self.replicas == 1 { text } else { format!("{text}, {} replicas", self.replicas) }
            }
            Devices::Cuda { ordinals, gpus } => {
                let names: Vec<String> = ordinals.iter().map(|&ordinal| gpus.name(ordinal)).collect();
                format!("{}, {precision}", names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Numbered;

    impl Gpus for Numbered {
        fn name(&self, ordinal: usize) -> String {
            format!("cuda:{ordinal}")
        }

        fn open(&self, _: &[usize], _: Precision) -> Result<Vec<Box<dyn Device>>, Fault> {
            Ok(Vec::new())
        }
    }

    fn four(replicas: usize) -> Resources<'static> {
        Resources {
            threads: 4,
            replicas,
            devices: Devices::Cuda { ordinals: &[0, 1, 4, 5], gpus: &Numbered },
        }
    }

    #[test]
    fn workers_get_gpus_in_turn() {
        let of = |replicas: usize, workers: usize| -> Vec<String> {
            let share = |worker| four(replicas).share(worker, workers).describe(Precision::Tf32);
            (0..workers).map(share).collect()
        };
        assert_eq!(of(1, 2), ["cuda:0, tf32", "cuda:1, tf32"]);
        assert_eq!(of(1, 5)[3..], ["cuda:5, tf32", "cuda:0, tf32"]);
        assert_eq!(of(2, 2), ["cuda:0, cuda:1, tf32", "cuda:4, cuda:5, tf32"]);
        assert_eq!(of(4, 1), ["cuda:0, cuda:1, cuda:4, cuda:5, tf32"]);
    }

    #[test]
    fn groups_of_gpus_are_not_shared() {
        assert_eq!([1, 2, 4].map(|replicas| four(replicas).workers(9)), [9, 2, 1]);
        assert_eq!(four(2).workers(1), 1);
        assert_eq!(Resources { replicas: 2, ..Resources::processor(4) }.workers(3), 3);
    }

    #[test]
    fn cells_take_as_many_gpus_as_replicas() {
        let groups = |replicas| four(replicas).groups().map_err(|error| error.to_string());
        assert_eq!(groups(1), Ok(4));
        assert_eq!(groups(2), Ok(2));
        let message = "3 replicas take 3 GPUs for each cell, and --device has 4";
        assert_eq!(groups(3), Err(message.to_owned()));
        assert_eq!(groups(8), Err("8 replicas take 8 GPUs for each cell, and --device has 4".to_owned()));
    }
}
