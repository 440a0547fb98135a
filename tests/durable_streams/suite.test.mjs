// The published suite against CONFORMANCE_TEST_URL. Its own program finds no test once it lies in node_modules, where
// vitest does not look.
import { runConformanceTests } from '@durable-streams/server-conformance-tests'

runConformanceTests({ baseUrl: process.env.CONFORMANCE_TEST_URL })
