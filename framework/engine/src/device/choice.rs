//! Devices as users name them.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// What a user asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A GPU where one can be used, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// These GPUs, ascending and without repeats; `cuda` is `cuda:0`.
    Cuda(Vec<usize>),
}

/// A text that names no device.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotADevice {
    /// It is something else.
    #[error("expected auto, cpu, cuda, or numbers of GPUs such as cuda:0,1 or cuda:0-3, found `{0}`")]
    Other(String),
    /// A GPU is in it twice.
    #[error("expected every GPU once, found cuda:{0} twice")]
    Twice(usize),
    /// A range runs backward.
    #[error("expected the smaller number of a range first, such as cuda:{1}-{0}, found {0}-{1}")]
    Backward(usize, usize),
}

impl FromStr for DeviceChoice {
    type Err = NotADevice;

    fn from_str(text: &str) -> Result<Self, NotADevice> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(vec![0])),
            _ => {
                let list = text.strip_prefix("cuda:").and_then(ranges);
                ordinals(&list.ok_or_else(|| NotADevice::Other(text.to_owned()))?).map(Self::Cuda)
            }
        }
    }
}

/// The first and last of each part of `0`, `0,2` or `0-3`.
fn ranges(list: &str) -> Option<Vec<(usize, usize)>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some((number(first)?, number(last)?))
    };
    list.split(',').map(range).collect()
}

/// All that lie in ranges, ascending.
fn ordinals(ranges: &[(usize, usize)]) -> Result<Vec<usize>, NotADevice> {
    if let Some(&(first, last)) = ranges.iter().find(|(first, last)| first > last) {
        return Err(NotADevice::Backward(first, last));
    }
    let mut all: Vec<usize> = ranges.iter().flat_map(|&(first, last)| first..=last).collect();
    all.sort_unstable();
    let twice = all.windows(2).find(|pair| pair[0] == pair[1]);
    twice.map_or(Ok(()), |pair| Err(NotADevice::Twice(pair[0])))?;
    Ok(all)
}

/// A number of one to three digits.
fn number(text: &str) -> Option<usize> {
    let is_number = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinals) => {
                let list: Vec<String> = ordinals.iter().map(ToString::to_string).collect();
                write!(f, "cuda:{}", list.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for (text, expected) in [
            ("auto", DeviceChoice::Auto),
            ("cpu", DeviceChoice::Cpu),
            ("cuda", DeviceChoice::Cuda(vec![0])),
            ("cuda:2", DeviceChoice::Cuda(vec![2])),
            ("cuda:3,1", DeviceChoice::Cuda(vec![1, 3])),
            ("cuda:0-2,5", DeviceChoice::Cuda(vec![0, 1, 2, 5])),
        ] {
            let choice: DeviceChoice = text.parse().unwrap();
            assert_eq!(choice, expected);
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
    }

    #[test]
    fn what_names_no_device_is_refused() {
        for text in ["", "gpu", "cuda:", "cuda:a", "cuda:0-", "cuda:-1", "cuda:+1", "cuda:9999"] {
            assert_eq!(text.parse::<DeviceChoice>(), Err(NotADevice::Other(text.to_owned())));
        }
        assert_eq!("cuda:0-2,1".parse::<DeviceChoice>(), Err(NotADevice::Twice(1)));
        assert_eq!("cuda:0,3-1".parse::<DeviceChoice>(), Err(NotADevice::Backward(3, 1)));
    }
}
