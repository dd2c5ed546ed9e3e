import HeedSupport

extension Page {
    /// What a model costs: the document of `heed plan`, and how work grows with the text.
    public init(plan document: JSONObject, curves: WorkCurves?, title: String, subtitle: String) {
        var data = document
        data["curves"] = curves?.json
        self.init(title: title, subtitle: subtitle, data: .object(data), script: PackageResources.plan_js)
    }
}
