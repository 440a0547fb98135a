# frozen_string_literal: true

# It lies here, above the package, so that the gem can carry the C sources: gem install builds the library from them.
Gem::Specification.new do |spec|
  root = __dir__
  spec.name = 'hijack_ffi'
  spec.version = File.read(File.join(root, 'VERSION')).strip
  spec.summary = 'Very many live HTTP connections in one process'
  spec.description = 'Holds Server-Sent Events, streamed responses and raw hijacked sockets on the threads of libhijack: ' \
                     'no thread, fiber or object of Ruby for each connection. Also takes connections from Puma and ' \
                     'other Rack servers.'
  spec.authors = ['the libhijack authors']
  spec.license = 'MIT'

  spec.files = Dir.chdir(root) do
    Dir['ruby/{lib,ext}/**/*.rb', 'ruby/README.md', 'include/**/*.{h,in}', 'src/**/*.{c,h}', 'cmake/*', 'CMakeLists.txt',
        'VERSION', 'LICENSE', 'README.md', 'CHANGELOG.md', 'docs/**/*.{md,png,svg}']
  end
  spec.extra_rdoc_files = ['ruby/README.md']
  spec.require_paths = ['ruby/lib']
  spec.extensions = ['ruby/ext/hijack_ffi/extconf.rb']
  spec.required_ruby_version = '>= 3.1'
  spec.add_dependency 'ffi', '~> 1.15'
  spec.homepage = 'https://github.com/libhijack/libhijack'
  spec.metadata = {
    'rubygems_mfa_required' => 'true',
    'source_code_uri' => spec.homepage,
    'documentation_uri' => "#{spec.homepage}/blob/main/docs/start/ruby.md",
    'changelog_uri' => "#{spec.homepage}/blob/main/CHANGELOG.md",
    'bug_tracker_uri' => "#{spec.homepage}/issues"
  }
end
