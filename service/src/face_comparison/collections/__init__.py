"""Collections: enrollment and 1:N identification.

`service.CollectionService` is the entry point. It does not depend on HTTP: the routes, the Rekognition adapter, and the
command line call it. Decisions (`thresholds`, `identification`, `quality`, `identifiers`) are pure functions; `stores`
persists the data.

    service = CollectionService(open_store("sqlite:/var/lib/faces"), lambda: analyzer.model)
    service.create_collection("staff")
    service.enroll("staff", Probe.from_analysis(analysis, image_bytes), user_id="u-17")
    result = service.search("staff", probe.vectors)
"""
