"""Orders: taken in, reserved at once, followed through their life. A module for each thing that happens to them."""
