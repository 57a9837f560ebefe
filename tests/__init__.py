"""The tests, by room; `kit` is what they share, `properties` what holds for any input."""
