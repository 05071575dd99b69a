//! Lists of commands, ready to run.

use super::convolution::PreparedConvolution;
use super::memory::DeviceMemory;
use super::product::PreparedProduct;
use super::recording::Recording;
use super::state::State;
use crate::cuda::{Address, Command, Fault, Launch, Number, Prepared};
use cudarc::driver::sys::{self, CUfunction};
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

/// A list that the GPU is ready to run: the first time command by command, since libraries load their own kernels then; the
/// second time it is recorded, and from then on replayed.
pub(super) struct List {
    steps: Vec<Step>,
    /// The GPU's, or an older and smaller one, which lives as long as lists that may have recorded it.
    workspace: Option<Arc<DeviceMemory>>,
    workspace_bytes: usize,
    state: Progress,
    device: Arc<Mutex<State>>,
}

enum Progress {
    New,
    RanOnce,
    /// Under this number.
    Recorded(usize),
    /// Not wanted, or something in it cannot be recorded.
    Unrecorded,
}

enum Step {
    Launch(PreparedLaunch),
    Convolve(PreparedConvolution),
    Multiply(PreparedProduct),
    Clear(Address, usize),
    Copy { from: Address, to: Address, bytes: usize },
    BeginSum(Address, usize, Number),
    EndSums,
}

struct PreparedLaunch {
    function: CUfunction,
    launch: Launch,
    /// Of the launch's arguments.
    pointers: Vec<*mut c_void>,
}

// SAFETY: the pointers are to memory that goes with the value, and the driver lets any thread use a function.
unsafe impl Send for PreparedLaunch {}

impl List {
    /// Prepares commands on a GPU whose context is entered.
    pub(super) fn new(
        commands: Vec<Command>,
        state: &mut State,
        device: Arc<Mutex<State>>,
    ) -> Result<Self, Fault> {
        let mut steps = Vec::with_capacity(commands.len());
        for command in commands {
            steps.extend(Step::of(command, state)?);
        }
        if steps.iter().any(Step::is_sum) {
            // A recording must not end while something that it began goes on; waiting twice costs nothing.
            steps.push(Step::EndSums);
        } else {
            // Nor may it wait for what was begun outside of it (`CUDA_ERROR_STREAM_CAPTURE_ISOLATION`).
            steps.retain(|step| !matches!(step, Step::EndSums));
        }
        let workspace_bytes = steps.iter().map(Step::workspace).max().unwrap_or(0);
        let workspace = (workspace_bytes > 0).then(|| state.workspace(workspace_bytes)).transpose()?;
        let progress = if state.records { Progress::New } else { Progress::Unrecorded };
        Ok(Self { steps, workspace, workspace_bytes, state: progress, device })
    }
}

impl Prepared for List {
    fn run(&mut self) -> Result<(), Fault> {
        let Self { steps, workspace, state: progress, device, .. } = self;
        let workspace = workspace.as_ref().map_or(Address::NULL, |memory| memory.address());
        let mut device = device.lock().unwrap_or_else(PoisonError::into_inner);
        device.enter(|state| {
            let issue = |state: &State| steps.iter().try_for_each(|step| step.issue(workspace, state));
            match progress {
                Progress::New => {
                    issue(state)?;
                    *progress = Progress::RanOnce;
                    Ok(())
                }
                Progress::RanOnce => match Recording::of(&state.work, &state.context, || issue(state)) {
                    Ok(recording) => {
                        let number = state.recorded;
                        state.recorded += 1;
                        recording.replay(&state.work, &state.context)?;
                        state.recordings.insert(number, recording);
                        *progress = Progress::Recorded(number);
                        Ok(())
                    }
                    // Sums are recorded by all GPUs of a group or by none (NCCL's guide, "Using NCCL with CUDA Graphs").
                    Err(fault) if steps.iter().any(Step::is_sum) => Err(fault),
                    // Slower and right: if the device itself has failed, this says so.
                    Err(fault) => {
                        *progress = Progress::Unrecorded;
                        let notice = format!(
                            "{fault}; what cannot be recorded is told command by command, which is slower"
                        );
                        if !state.notices.contains(&notice) {
                            state.notices.push(notice);
                        }
                        issue(state)
                    }
                },
                // It went when the group was left.
                Progress::Recorded(number) => state
                    .recordings
                    .get(number)
                    .map_or(Err(Fault::Peer), |recording| recording.replay(&state.work, &state.context)),
                Progress::Unrecorded => issue(state),
            }
        })
    }

    fn workspace(&self) -> usize {
        self.workspace_bytes
    }
}

impl Drop for List {
    fn drop(&mut self) {
        let mut device = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        // The workspace must not go while something uses it.
        let _ = device.enter(|state| state.wait());
        self.workspace = None;
        if let Progress::Recorded(number) = self.state {
            device.recordings.remove(&number);
        }
    }
}

impl Step {
    /// What a command comes to on this GPU; sums come to nothing where it is the only one.
    fn of(command: Command, state: &State) -> Result<Vec<Self>, Fault> {
        let State { precision, context, .. } = state;
        let is_group = state.sums.is_some();
        Ok(match command {
            Command::Launch(launch) => vec![Self::Launch(PreparedLaunch::new(launch, state)?)],
            Command::Convolve(convolution) => {
                vec![Self::Convolve(state.cudnn.prepare(&convolution, *precision, context)?)]
            }
            Command::Multiply(product) => {
                vec![Self::Multiply(state.cublas.prepare(&product, *precision, context)?)]
            }
            Command::Clear { address, bytes } => vec![Self::Clear(address, bytes)],
            Command::Copy { from, to, bytes } => vec![Self::Copy { from, to, bytes }],
            Command::Sum { address, len, number } if is_group => {
                vec![Self::BeginSum(address, len, number), Self::EndSums]
            }
            Command::BeginSum { address, len, number } if is_group => {
                vec![Self::BeginSum(address, len, number)]
            }
            Command::EndSums if is_group => vec![Self::EndSums],
            Command::Sum { .. } | Command::BeginSum { .. } | Command::EndSums => Vec::new(),
        })
    }

    fn is_sum(&self) -> bool {
        matches!(self, Self::BeginSum(..))
    }

    fn workspace(&self) -> usize {
        match self {
            Self::Convolve(convolution) => convolution.workspace(),
            Self::Multiply(product) => product.workspace(),
            _ => 0,
        }
    }

    fn issue(&self, workspace: Address, state: &State) -> Result<(), Fault> {
        let State { work, context, .. } = state;
        match self {
            Self::Launch(launch) => launch.issue(state),
            Self::Convolve(convolution) => convolution.issue(&state.cudnn, workspace, context),
            Self::Multiply(product) => product.issue(&state.cublas, workspace, work, context),
            Self::Clear(address, bytes) => state.clear(*address, *bytes),
            Self::Copy { from, to, bytes } => state.copy(*from, *to, *bytes),
            Self::BeginSum(address, len, number) => state
                .sums
                .as_ref()
                .map_or(Ok(()), |sums| sums.begin((*address, *len, *number), work, context)),
            Self::EndSums => state.sums.as_ref().map_or(Ok(()), |sums| sums.end(work, context)),
        }
    }
}

impl PreparedLaunch {
    fn new(launch: Launch, state: &State) -> Result<Self, Fault> {
        let function = state.modules.function(launch.kernel, &state.context)?;
        let pointers = launch.arguments.iter().map(|argument| argument.as_ptr().cast_mut().cast()).collect();
        Ok(Self { function, launch, pointers })
    }

    fn issue(&self, state: &State) -> Result<(), Fault> {
        let Launch { kernel, grid, block, .. } = &self.launch;
        // SAFETY: the command's author vouches for the arguments and the memory that they name; the driver only reads the
        // pointers and what they point to.
        let status = unsafe {
            sys::cuLaunchKernel(
                self.function,
                grid[0],
                grid[1],
                grid[2],
                block[0],
                block[1],
                block[2],
                0,
                state.work.handle(),
                self.pointers.as_ptr().cast_mut(),
                std::ptr::null_mut(),
            )
        };
        state.context.check(status, format_args!("launch {kernel}"))
    }
}
