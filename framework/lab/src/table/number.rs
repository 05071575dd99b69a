//! Numbers as people read them.

/// `value` with a fixed number of decimals; `–` when it is not finite, and never `-0.00`.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let written = format!("{value:.decimals$}");
    match written.strip_prefix('-') {
        Some(zero) if zero.chars().all(|digit| matches!(digit, '0' | '.')) => zero.to_owned(),
        _ => written,
    }
}

/// A p value with four decimals; smaller ones are `<0.0001`, since nobody can tell them apart at a few seeds.
pub(super) fn p_value(p: f64) -> String {
    if p < 0.000_1 { "<0.0001".to_owned() } else { fixed(p, 4) }
}

#[cfg(test)]
mod tests {
    use super::{fixed, p_value};

    #[test]
    fn figures_have_fixed_decimals_and_no_negative_zero() {
        assert_eq!(fixed(51.976, 2), "51.98");
        assert_eq!(fixed(-0.004, 2), "0.00");
        assert_eq!(fixed(-0.4, 0), "0");
        assert_eq!(fixed(-0.006, 2), "-0.01");
        assert_eq!(fixed(f64::NAN, 2), "–");
    }

    #[test]
    fn p_values_have_a_floor() {
        assert_eq!(p_value(0.0625), "0.0625");
        assert_eq!(p_value(0.000_1), "0.0001");
        assert_eq!(p_value(0.000_099), "<0.0001");
    }
}
