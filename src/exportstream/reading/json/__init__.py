"""The machine below the formats: JSON bytes become messages in constant memory."""
