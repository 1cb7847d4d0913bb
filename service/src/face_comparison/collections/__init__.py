"""Collections (1:N): whose face is this?

`service.CollectionService` is the entry point. It is free of HTTP: routes, the Rekognition adapter and the command line
all call it. Decisions (`thresholds`, `identification`, `quality`, `identifiers`) are pure functions of values; the
stores below `stores` keep what was enrolled.

    service = CollectionService(open_store("sqlite:/var/lib/faces"), lambda: analyzer.model)
    service.create_collection("staff")
    service.enroll("staff", Probe.from_analysis(analysis, image_bytes), user_id="u-17")
    result = service.search("staff", probe.vectors)
"""
