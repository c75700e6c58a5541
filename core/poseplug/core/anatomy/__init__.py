"""What bodies can do: limbs in frames of their own, and the limits of joints."""
