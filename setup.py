"""Packages the job. Pinned versions for development and CI are in requirements/."""

from setuptools import find_packages, setup

setup(
    name="nightly-actions",
    version="0.1.0",
    description="Score files with a saved Spark ML pipeline and hand over one CSV of actions",
    license="Apache-2.0",
    python_requires=">=3.9",
    packages=find_packages(include=["jobs", "jobs.*", "schemas"]),
    package_data={"schemas": ["*.json"], "jobs": ["log4j2.properties"]},
    # click 8.2 needs Python 3.10, and EMR 7 gives 3.9
    install_requires=["click>=8.1,<8.2", "boto3>=1.34", "numpy", "packaging"],
    extras_require={"spark": ["pyspark>=3.5,<4.1"], "test": ["pandas", "pytest"]},
)
