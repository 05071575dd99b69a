//! Gradients that are summed over replicas together.

/// Which gradients are handed over together, and after which step of the backward pass.
#[derive(Debug)]
pub(crate) struct Buckets {
    /// In the order of the backward pass: the step after which the bucket is complete, and its parameters.
    buckets: Vec<(usize, Vec<usize>)>,
}

impl Buckets {
    /// `completed` lists, in the order of the backward pass, each step with the parameters whose gradients it completes;
    /// `lens` are the parameters' sizes, and a bucket has at least `least` values unless it is the last.
    pub(crate) fn new(completed: &[(usize, Vec<usize>)], lens: &[usize], least: usize) -> Self {
        let mut buckets: Vec<(usize, Vec<usize>)> = Vec::new();
        let mut open = 0;
        for (step, parameters) in completed {
            if parameters.is_empty() {
                continue;
            }
            match buckets.last_mut() {
                Some((last, bucket)) if open < least => {
                    *last = *step;
                    bucket.extend(parameters);
                }
                _ => {
                    open = 0;
                    buckets.push((*step, parameters.clone()));
                }
            }
            open += parameters.iter().map(|&parameter| lens[parameter]).sum::<usize>();
        }
        Self { buckets }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Each bucket in the order of the backward pass: the step that completes it, and its parameters.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &[usize])> {
        self.buckets.iter().map(|(step, parameters)| (*step, &parameters[..]))
    }

    /// The parameters of a bucket.
    pub(crate) fn parameters(&self, bucket: usize) -> &[usize] {
        &self.buckets[bucket].1
    }

    /// The bucket that a step completes.
    pub(crate) fn of_step(&self, step: usize) -> Option<usize> {
        self.buckets.iter().position(|(last, _)| *last == step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_every_parameter_once_and_end_where_the_last_is_complete() {
        let lens = [100, 1, 2, 99, 5];
        let completed = [(9, vec![4]), (8, vec![]), (7, vec![3, 2]), (6, vec![1]), (5, vec![0])];
        let buckets = Buckets::new(&completed, &lens, 100);
        assert_eq!(buckets.buckets, [(7, vec![4, 3, 2]), (5, vec![1, 0])]);
        assert_eq!((buckets.of_step(7), buckets.of_step(8)), (Some(0), None));
    }
}
