"""The Damage workspace: painting samples, seeing what they make, grading buildings."""
