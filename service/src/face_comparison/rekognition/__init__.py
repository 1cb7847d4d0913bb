"""Amazon Rekognition's API over this product's own domain, so that its clients work with another endpoint URL only.

`service_model` reads requests and checks them against botocore's description of the service, `operations` carries them
out, `shapes` says the results in Rekognition's words, `faults` does so for errors, `signature` verifies AWS Signature
Version 4. Free of HTTP frameworks.
"""
