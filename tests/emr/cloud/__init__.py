"""A small AWS of the tests' own: the EMR APIs, S3, and machines that really run what they are sent."""
