//! First a class, then an image of it.

use balpoe_core::random::Stream;

/// Draws `length` positions: each time a class with probability proportional to its weight, then the next image of that class's
/// shuffled list, which is shuffled again when it is used up. Classes without images are never drawn.
pub(super) fn draw(
    labels: &[u32],
    weights: impl Fn(usize) -> f64,
    length: usize,
    stream: &mut Stream,
) -> Vec<u32> {
    let mut classes: Vec<Vec<u32>> = Vec::new();
    for (position, &label) in labels.iter().enumerate() {
        let label = label as usize;
        if label >= classes.len() {
            classes.resize(label + 1, Vec::new());
        }
        classes[label].push(position as u32);
    }
    classes.retain(|images| !images.is_empty());
    if classes.is_empty() {
        return Vec::new();
    }

    let mut total = 0.0;
    let cumulative: Vec<f64> = classes
        .iter()
        .map(|images| {
            total += weights(images.len());
            total
        })
        .collect();
    for images in &mut classes {
        stream.shuffle(images);
    }
    let mut next = vec![0; classes.len()];
    (0..length)
        .map(|_| {
            let point = stream.uniform(0.0, total);
            let class = cumulative.partition_point(|&end| end <= point).min(classes.len() - 1);
            if next[class] == classes[class].len() {
                stream.shuffle(&mut classes[class]);
                next[class] = 0;
            }
            next[class] += 1;
            classes[class][next[class] - 1]
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use balpoe_core::components::Sampler;
    use balpoe_core::random::Purpose;

    use super::*;

    /// Labels with these counts, classes in a row.
    pub(in super::super) fn labels(counts: &[usize]) -> Vec<u32> {
        counts.iter().enumerate().flat_map(|(class, &n)| std::iter::repeat_n(class as u32, n)).collect()
    }

    /// How often each class is drawn in one epoch.
    pub(in super::super) fn drawn(sampler: &dyn Sampler, counts: &[usize]) -> Vec<usize> {
        let labels = labels(counts);
        let order = sampler.epoch(&labels, counts, &mut Stream::new(3, Purpose::Sampling, 0, 0));
        let mut drawn = vec![0; counts.len()];
        for position in order {
            drawn[labels[position as usize] as usize] += 1;
        }
        drawn
    }

    #[test]
    fn a_class_runs_through_its_images_before_it_repeats_one() {
        let labels = labels(&[5, 2]);
        let order = draw(&labels, |_| 1.0, 400, &mut Stream::new(1, Purpose::Sampling, 0, 0));
        for (class, size) in [(0, 5), (1, 2)] {
            let of_class: Vec<u32> = order.iter().copied().filter(|&p| labels[p as usize] == class).collect();
            for round in of_class.chunks_exact(size) {
                let mut round = round.to_vec();
                round.sort_unstable();
                round.dedup();
                assert_eq!(round.len(), size, "an image came twice in a round");
            }
        }
    }

    #[test]
    fn without_images_nothing_is_drawn() {
        assert!(draw(&[], |_| 1.0, 10, &mut Stream::new(1, Purpose::Sampling, 0, 0)).is_empty());
    }
}
